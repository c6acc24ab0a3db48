export default /* glsl */ `
// The basis functions H_n, looked up in a table: see the docstring of export/baked/basis_table.py.
//
// BASIS_GROUPS   of four functions each
// BASIS_SIZE     samples of the table along x, y and z; z is 1 if it is looked up by the viewing direction
// BY_REFLECTION  defined if the table is looked up by the reflected direction and n . w_o

uniform sampler2DArray basisTable;  // layer: slice z times BASIS_GROUPS, plus group

#ifdef BY_REFLECTION
// The unit square of directions: an octahedral map whose centre is (0, 0, -1).
vec2 octahedral(vec3 direction) {
  vec3 p = direction / (abs(direction.x) + abs(direction.y) + abs(direction.z));
  vec2 signs = vec2(p.x < 0.0 ? -1 : 1, p.y < 0.0 ? -1 : 1);
  vec2 folded = (1.0 - abs(p.yx)) * signs;
  return ((p.z > 0.0 ? folded : p.xy) + 1.0) / 2.0;
}

vec3 basisCoordinates(vec3 viewdir, vec3 normal) {
  vec3 facing = dot(normal, viewdir) > 0.0 ? -normal : normal;
  vec3 reflected = viewdir - 2.0 * dot(viewdir, facing) * facing;
  return clamp(vec3(octahedral(reflected), -dot(facing, viewdir)), 0.0, 1.0);
}
#else
vec3 basisCoordinates(vec3 viewdir, vec3 normal) {
  return vec3((viewdir.xy + 1.0) / 2.0, 0);
}
#endif

// Interpolates linearly between samples, of which the first and the last lie at the ends of an axis.
void readBasis(vec3 viewdir, vec3 normal, out float functions[4 * BASIS_GROUPS]) {
  vec3 place = basisCoordinates(viewdir, normal) * vec3(BASIS_SIZE - 1);
  vec2 at = (place.xy + 0.5) / vec2(BASIS_SIZE.xy);
  int slice = min(int(place.z), max(0, BASIS_SIZE.z - 2));
  int next = min(slice + 1, BASIS_SIZE.z - 1);
  float share = place.z - float(slice);
  for (int group = 0; group < BASIS_GROUPS; group++) {
    vec4 values = textureLod(basisTable, vec3(at, float(slice * BASIS_GROUPS + group)), 0.0);
    if (BASIS_SIZE.z > 1) {
      vec4 beyond = textureLod(basisTable, vec3(at, float(next * BASIS_GROUPS + group)), 0.0);
      values = mix(values, beyond, share);
    }
    functions[4 * group] = values.x;
    functions[4 * group + 1] = values.y;
    functions[4 * group + 2] = values.z;
    functions[4 * group + 3] = values.w;
  }
}
`;
