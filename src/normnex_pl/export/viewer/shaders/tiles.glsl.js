export default /* glsl */ `
// Textures that are stored as tiles on pages: see the docstring of export/baked/layout.py.

struct Grid {
  ivec2 texels;      // of a whole texture, which covers the canvas
  ivec2 tiles;       // columns and rows of tiles on it
  vec2 page;         // texels of a page
  int tile;          // texels along a stored tile, a border of one on each side included
  int loaded;        // pages that have arrived: tiles on others count as absent
};

struct Place {
  bool present;
  vec2 at;           // on the page, in [0, 1]
  int page;
};

const int TABLE_WIDTH = 2048;

// Finds a point of the canvas, [-1, 1] in x and y, on the pages. An entry of the table holds the tile's column
// and row on its page, the page, and whether there is a tile.
Place locate(Grid grid, usampler2D table, int which, vec2 canvas) {
  vec2 size = vec2(grid.texels);
  vec2 texel = clamp((canvas + 1.0) * 0.5 * size, vec2(0), size);
  float shown = float(grid.tile - 2);
  ivec2 tile = min(ivec2(texel / shown), grid.tiles - 1);
  int index = (which * grid.tiles.y + tile.y) * grid.tiles.x + tile.x;
  uvec4 entry = texelFetch(table, ivec2(index % TABLE_WIDTH, index / TABLE_WIDTH), 0);
  Place place;
  place.page = int(entry.z);
  place.present = entry.w != 0u && place.page < grid.loaded;
  place.at = (vec2(entry.xy) * float(grid.tile) + texel - vec2(tile) * shown + 1.0) / grid.page;
  return place;
}

// Reads red, green and blue bilinearly. The level is explicit, since derivatives are undefined inside branches.
vec3 readPage(sampler2DArray pages, Place place, int layer) {
  return textureLod(pages, vec3(place.at, float(layer)), 0.0).rgb;
}
`;
