// Draws exports: the page of page.py.

import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { SparkRenderer, SplatMesh } from "@sparkjsdev/spark";

let renderer, scene, camera;

function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function start(seen) {
  renderer?.dispose();
  document.querySelector("canvas")?.remove();
  renderer = new THREE.WebGLRenderer({ antialias: false, alpha: false, preserveDrawingBuffer: true });
  renderer.setPixelRatio(1);
  renderer.setSize(seen.width, seen.height);
  renderer.setClearColor(0x000000, 1);
  document.body.append(renderer.domElement);
  scene = new THREE.Scene();
  camera = new THREE.PerspectiveCamera();
  camera.matrixAutoUpdate = false;
  camera.matrix.set(...seen.pose);
  camera.matrix.decompose(camera.position, camera.quaternion, camera.scale);
  camera.projectionMatrix.set(...seen.projection);
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
  camera.updateMatrixWorld(true);
}

window.openGLB = async (text, seen) => {
  start(seen);
  const gltf = await new GLTFLoader().parseAsync(bytesOf(text).buffer, "");
  scene.add(gltf.scene);
  renderer.render(scene, camera);
  const materials = [];
  gltf.scene.traverse((object) => object.isMesh && materials.push(object.material));
  return {
    meshes: materials.length,
    unlit: materials.every((material) => material.isMeshBasicMaterial),
    blended: materials.every((material) => material.transparent),
    cameras: gltf.cameras.map(({ fov, aspect }) => ({ fov, aspect })),
  };
};

window.openSplats = async (text, fileName, seen, turned, classic) => {
  start(seen);
  const blur = classic ? { preBlurAmount: 0.3, blurAmount: 0 } : {};
  const spark = new SparkRenderer({ renderer, ...blur });
  scene.add(spark);
  const mesh = new SplatMesh({ fileBytes: bytesOf(text), fileName });
  if (turned) mesh.quaternion.set(1, 0, 0, 0);
  scene.add(mesh);
  await mesh.initialized;
  for (let frame = 0; frame < 12; frame++) { // the splats are sorted beside, and shown some frames later
    renderer.render(scene, camera);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const centres = [];
  mesh.forEachSplat((index, center) => index < 3 && centres.push(center.toArray()));
  return { splats: mesh.numSplats, centres };
};

window.snapshot = () => renderer.domElement.toDataURL("image/png");
window.ready = true;
