export default /* glsl */ `
// A pixel of a multiplane image, front to back until no light is left. The formulas are in the docstring of
// export/baked/manifest.py; export/baked/image.py is the same in Python. Sums are 32-bit floats, so that only the
// finished pixel is rounded to 8 bits.

const float LEAST_LIGHT = 1.0 / 1024.0;

uniform sampler2D planes;   // a texel a plane: depth, then the lowest value and the range of its opacities
uniform sampler2D layers;   // a row a layer: (depth, 0), then lowest value and range of each colour and feature

uniform Grid alphaGrid;
uniform usampler2D alphaTable;
uniform sampler2DArray alphaPages;
uniform Grid baseGrid;
uniform usampler2D baseTable;
uniform sampler2DArray basePages;
uniform Grid featureGrid;
uniform usampler2D featureTable;
uniform sampler2DArray featurePages;  // layer: page times FEATURE_GROUPS, plus group
uniform sampler2D depthColors;

uniform vec2 canvasFocal;   // of the reference camera, in pixels of the canvas
uniform vec2 canvasCentre;
uniform vec2 canvasSize;
uniform vec2 depthRange;    // near, far

uniform float frameTop;     // of the frame, in pixels from the bottom of what it is drawn into
uniform vec2 focal;         // of the camera, in pixels of the frame
uniform vec2 principal;     // from the left of what it is drawn into, and from the frame's top
uniform mat3 rotation;      // camera to world
uniform vec3 origin;

uniform int mode;           // index of a mode of modes.js
uniform float gain;         // of the specular part
uniform ivec2 shown;        // first and last plane
uniform bool seeThrough;    // what no plane covers is transparent

out vec4 pixel;

// The straight line on which a ray meets the canvases of all planes: start + step / depth.
struct Ray {
  vec2 start;
  vec2 step;
  vec3 viewdir;
  float ahead;         // 1 if it runs towards greater depths, else -1
};

// Sums over the planes, by their weights: the shares of light that reach a plane and end there.
struct Sums {
  vec3 full;
  vec3 diffuse;
  vec3 normal;
  float covered;
  float depth;
};

// Defined by modes.js: whether the mode needs what 'readLayer' reads, and the colour that it shows.
bool readsFeatures();
vec3 modeColor(Sums sums);

Ray castRay() {
  vec2 place = vec2(gl_FragCoord.x, frameTop - gl_FragCoord.y);
  vec3 direction = rotation * vec3((place - principal) / focal, 1);
  vec2 slope = direction.xy / direction.z;
  vec2 scale = 2.0 / canvasSize;
  vec2 start = (canvasFocal * slope + canvasCentre) * scale - 1.0;
  vec2 step = canvasFocal * (origin.xy - slope * origin.z) * scale;
  return Ray(start, step, normalize(direction), sign(direction.z));
}

vec2 meet(Ray ray, float depth) {
  return ray.start + ray.step / depth;
}

// Reads the specular part of a layer and its normal; zero where nothing is stored.
void readLayer(Ray ray, int layer, out vec3 specular, out vec3 normal) {
  specular = vec3(0);
  normal = vec3(0);
  vec2 canvas = meet(ray, texelFetch(layers, ivec2(0, layer), 0).x);
  Place place = locate(featureGrid, featureTable, layer, canvas);
  if (!place.present) return;
  float features[3 * FEATURE_GROUPS];
  for (int group = 0; group < FEATURE_GROUPS; group++) {
    vec3 stored = readPage(featurePages, place, place.page * FEATURE_GROUPS + group);
    for (int c = 0; c < 3; c++) {
      vec2 range = texelFetch(layers, ivec2(4 + 3 * group + c, layer), 0).xy;
      features[3 * group + c] = range.x + stored[c] * range.y;
    }
  }
  float functions[4 * BASIS_GROUPS];
  normal = layerNormal(features);
  readBasis(ray.viewdir, normal, functions);
  specular = GATE * specularColor(features, functions);
}

// Reads the opacity of a plane; 0 where nothing is stored.
float readAlpha(vec2 canvas, int plane, vec4 stored) {
#ifdef OPAQUE_LAST_PLANE
  if (plane == NUM_PLANES - 1) return 1.0;
#endif
  Place place = locate(alphaGrid, alphaTable, plane, canvas);
  if (!place.present) return 0.0;
  return stored.y + readPage(alphaPages, place, place.page).r * stored.z;
}

vec3 readBase(Place place, int layer) {
  vec3 value = readPage(basePages, place, place.page);
  vec2 red = texelFetch(layers, ivec2(1, layer), 0).xy;
  vec2 green = texelFetch(layers, ivec2(2, layer), 0).xy;
  vec2 blue = texelFetch(layers, ivec2(3, layer), 0).xy;
  return vec3(red.x, green.x, blue.x) + value * vec3(red.y, green.y, blue.y);
}

Sums march(Ray ray) {
  Sums sums = Sums(vec3(0), vec3(0), vec3(0), 0.0, 0.0);
  float light = 1.0;
  for (int layer = 0; layer < NUM_LAYERS; layer++) {
    if (light < LEAST_LIGHT) break;
    bool known = !readsFeatures();
    vec3 specular = vec3(0), normal = vec3(0);
    for (int sub = 0; sub < SUBLAYERS; sub++) {
      int plane = layer * SUBLAYERS + sub;
      if (plane < shown.x || plane > shown.y) continue;
      vec4 stored = texelFetch(planes, ivec2(plane, 0), 0);
      if ((stored.x - origin.z) * ray.ahead <= 0.0) continue;
      vec2 canvas = meet(ray, stored.x);
      if (any(greaterThan(abs(canvas), vec2(1)))) continue;
      float alpha = readAlpha(canvas, plane, stored);
      if (alpha <= 0.0) continue;
      Place place = locate(baseGrid, baseTable, layer, canvas);
      if (!place.present) continue;
      if (!known) readLayer(ray, layer, specular, normal);
      known = true;
      vec3 base = readBase(place, layer);
      float weight = light * alpha;
      sums.full += weight * clamp(base + gain * specular, 0.0, 1.0);
      sums.diffuse += weight * base;
      sums.normal += weight * normal;
      sums.covered += weight;
      sums.depth += weight * stored.x;
      light *= 1.0 - alpha;
    }
  }
  return sums;
}

// Near is bright. Where nothing covers the background, depth is that of the last plane.
vec3 depthColor(Sums sums) {
  float last = texelFetch(planes, ivec2(NUM_PLANES - 1, 0), 0).x;
  float mean = sums.covered > 1e-6 ? sums.depth / sums.covered : last;
  float share = clamp((depthRange.y - mean) / (depthRange.y - depthRange.x), 0.0, 1.0);
  float count = float(textureSize(depthColors, 0).x);
  return textureLod(depthColors, vec2((share * (count - 1.0) + 0.5) / count, 0.5), 0.0).rgb;
}

// In the camera's own axes: red to the right, green up, blue towards the camera; grey without a normal.
vec3 normalColor(vec3 sum) {
  vec3 seen = (sum / max(length(sum), 1e-6)) * rotation;  // R^T n
  return (seen * vec3(1, -1, -1) + 1.0) / 2.0;
}

// Displays that one sees through expect colours that are multiplied by their opacity, and therefore no larger.
void main() {
  Sums sums = march(castRay());
  vec3 color = modeColor(sums);
  pixel = seeThrough ? vec4(min(color, vec3(sums.covered)), sums.covered) : vec4(color, 1);
}
`;
