// Small helpers for WebGL 2.

import { ViewerError } from "./errors.js";

/** Makes a context for whole pictures: without transparency, antialiasing or a depth buffer. */
export function makeContext(canvas) {
  const gl = canvas.getContext("webgl2", {
    alpha: false, antialias: false, depth: false, stencil: false, powerPreference: "high-performance",
  });
  if (!gl) {
    throw new ViewerError(
      "This browser has no WebGL 2",
      "The viewer draws with WebGL 2, and the browser reports that it has none.",
      "Open the page in a current Firefox, Chrome, Edge or Safari, and switch on its graphics acceleration.",
    );
  }
  // Pictures hold numbers: their bytes must not be converted.
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  return gl;
}

/** Compiles and links a program; the message of a failure is the driver's. */
export function makeProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  const shaders = [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]].map(([kind, source]) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    return shader;
  });
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const log = [...shaders.map((shader) => gl.getShaderInfoLog(shader)), gl.getProgramInfoLog(program)];
    const message = `Its driver rejects the shaders: ${log.filter(Boolean).join(" ").slice(0, 400)}`;
    throw new ViewerError("The graphics driver can't draw this", message, "Try another browser.");
  }
  shaders.forEach((shader) => gl.deleteShader(shader));
  return program;
}

/** Returns the locations of a program's uniforms by their names. */
export function uniformsOf(gl, program) {
  const found = {};
  for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(program, i);
    found[name] = gl.getUniformLocation(program, name);
  }
  return found;
}

/** Makes an empty texture, or an array of them, with one level and a filter (NEAREST or LINEAR). */
export function makeTexture(gl, target, filter, format, width, height, depth = 0) {
  const texture = gl.createTexture();
  gl.bindTexture(target, texture);
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  if (depth) gl.texStorage3D(target, 1, format, width, height, depth);
  else gl.texStorage2D(target, 1, format, width, height);
  return texture;
}
