// The textures of a multiplane image on the graphics card, filled as its files arrive.

import { ViewerError } from "./errors.js";
import { damaged } from "./files.js";
import { makeTexture } from "./gl.js";
import { viridisBytes } from "./viridis.js";

const TABLE_WIDTH = 2048; // as in tiles.glsl

/** Tiled textures of one kind: alpha, base_color or features. */
export class TiledTexture {
  /** @param {object} entry Of the manifest. */
  constructor(gl, name, entry) {
    this.gl = gl;
    this.entry = entry;
    this.groups = entry.files[0]?.length ?? 1;
    this.loaded = 0; // pages
    this.width = entry.tiles_per_row * entry.tile;
    this.height = entry.rows_per_page * entry.tile;
    const layers = entry.pages * this.groups;
    const most = [gl.getParameter(gl.MAX_TEXTURE_SIZE), gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS)];
    if (Math.max(this.width, this.height) > most[0] || layers > most[1]) {
      throw new ViewerError(
        "Too large for this device",
        `${name}: ${layers} textures of ${this.width} x ${this.height} texels; the device can hold ${most[1]} ` +
          `of ${most[0]} x ${most[0]}.`,
        "Bake fewer texels, for example by normnex bake RUN --alpha_pixels=4 --feature_pixels=16.",
      );
    }
    const [internal, format] = entry.channels === 1 ? [gl.R8, gl.RED] : [gl.RGB8, gl.RGB];
    this.format = format;
    const target = gl.TEXTURE_2D_ARRAY;
    this.pages = makeTexture(gl, target, gl.LINEAR, internal, this.width, this.height, layers);
  }

  /** @param {ArrayBuffer} content Of the table: slot + 1 of each tile, or 0. */
  setTable(content) {
    const { gl, entry } = this;
    const slots = new Uint32Array(content);
    const perPage = entry.tiles_per_row * entry.rows_per_page;
    const height = Math.max(1, Math.ceil(slots.length / TABLE_WIDTH));
    const texels = new Uint8Array(4 * TABLE_WIDTH * height);
    slots.forEach((number, index) => {
      if (number === 0) return;
      const slot = number - 1;
      if (slot >= entry.slots || slot >= perPage * entry.pages) {
        throw damaged(entry.table.file, `slots below ${entry.slots}`, `slot ${slot}`);
      }
      const place = slot % perPage;
      const row = Math.floor(place / entry.tiles_per_row);
      texels.set([place % entry.tiles_per_row, row, Math.floor(slot / perPage), 1], 4 * index);
    });
    this.table = makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST, gl.RGBA8UI, TABLE_WIDTH, height);
    gl.texSubImage2D(
      gl.TEXTURE_2D, 0, 0, 0, TABLE_WIDTH, height, gl.RGBA_INTEGER, gl.UNSIGNED_BYTE, texels,
    );
  }

  /** Uploads the pictures of a page, whose tiles are visible from then on. */
  setPage(page, bitmaps) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.pages);
    bitmaps.forEach((bitmap, group) => {
      const layer = page * this.groups + group;
      gl.texSubImage3D(
        gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, this.width, this.height, 1, this.format, gl.UNSIGNED_BYTE, bitmap,
      );
      bitmap.close();
    });
    this.loaded = page + 1;
  }

  /** @returns {Promise<ImageBitmap>} A picture with the bytes that are stored. */
  async decode(name, content) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([content]), {
        premultiplyAlpha: "none", colorSpaceConversion: "none",
      });
    } catch {
      throw damaged(name, "a picture that this browser opens", "another file");
    }
    if (bitmap.width !== this.width || bitmap.height !== this.height) {
      const found = `${bitmap.width} x ${bitmap.height}`;
      throw damaged(name, `${this.width} x ${this.height} pixels`, found);
    }
    return bitmap;
  }
}

/** Makes the texture `planes` of mpi.frag: depth, and the lowest value and the range of the opacities. */
export function planeTexture(gl, manifest) {
  const { depths, textures } = manifest;
  const texels = new Float32Array(depths.length * 4);
  depths.forEach((depth, plane) => {
    const [low, high] = textures.alpha.ranges[plane][0];
    texels.set([depth, low, high - low, 0], 4 * plane);
  });
  const texture = makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST, gl.RGBA32F, depths.length, 1);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, depths.length, 1, gl.RGBA, gl.FLOAT, texels);
  return texture;
}

/** Makes the texture `layers` of mpi.frag: depth, then lowest value and range of three colours and all features. */
export function layerTexture(gl, manifest) {
  const { layer_depths: depths, textures } = manifest;
  const width = 4 + 3 * Math.ceil(textures.features.channels / 3);
  const texels = new Float32Array(depths.length * width * 2);
  depths.forEach((depth, layer) => {
    const ranges = [...textures.base_color.ranges[layer], ...textures.features.ranges[layer]];
    const row = [depth, 0, ...ranges.flatMap(([low, high]) => [low, high - low])];
    texels.set(row, 2 * width * layer);
  });
  const texture = makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST, gl.RG32F, width, depths.length);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, depths.length, gl.RG, gl.FLOAT, texels);
  return texture;
}

/** Makes the table of the basis functions: four of them a layer, slice by slice. */
export function basisTexture(gl, { shape, num_basis: count }, content) {
  const [width, height] = [shape.at(-1), shape.at(-2)];
  const groups = Math.ceil(count / 4);
  const slices = shape.length > 2 ? shape[0] : 1;
  const stored = new Uint16Array(content); // half floats
  const cells = width * height;
  const texture = makeTexture(
    gl, gl.TEXTURE_2D_ARRAY, gl.LINEAR, gl.RGBA16F, width, height, slices * groups,
  );
  for (let slice = 0; slice < slices; slice++) {
    for (let group = 0; group < groups; group++) {
      const texels = new Uint16Array(4 * cells);
      for (let cell = 0; cell < cells; cell++) {
        for (let n = 4 * group; n < Math.min(count, 4 * group + 4); n++) {
          texels[4 * cell + n - 4 * group] = stored[(slice * cells + cell) * count + n];
        }
      }
      const layer = slice * groups + group;
      gl.texSubImage3D(
        gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, width, height, 1, gl.RGBA, gl.HALF_FLOAT, texels,
      );
    }
  }
  return texture;
}

/** Makes the texture of the colours of depths, from far to near. */
export function depthColorTexture(gl) {
  const bytes = viridisBytes();
  const width = bytes.length / 4;
  const texture = makeTexture(gl, gl.TEXTURE_2D, gl.LINEAR, gl.RGBA8, width, 1);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, 1, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
  return texture;
}
