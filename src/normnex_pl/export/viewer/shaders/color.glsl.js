export default /* glsl */ `
// Decodes the features of a layer: the specular part of its colour, and its normal.
//
// FEATURE_GROUPS   of three features each, as the pictures store them
// COLOR_FEATURES   features before those of the normal
// NUM_BASIS        functions
// COLOR_RGB, COLOR_YCBCR or COLOR_ADDITIVE_YCBCR; LUMA_SIGNED
// NORMALS_NONE, NORMALS_PREDICTED or NORMALS_FLAT

// Some drivers overflow beyond about 40, where tanh is 1.
float boundedTanh(float x) {
  return tanh(clamp(x, -20.0, 20.0));
}

#ifdef COLOR_RGB
vec3 specularColor(float f[3 * FEATURE_GROUPS], float functions[4 * BASIS_GROUPS]) {
  vec3 color = vec3(0);
  for (int n = 0; n < NUM_BASIS; n++) {
    vec3 k = vec3(boundedTanh(f[n]), boundedTanh(f[NUM_BASIS + n]), boundedTanh(f[2 * NUM_BASIS + n]));
    color += k * functions[n];
  }
  return color;
}
#else
// The colour of luma 1 with a zero-centred chroma: ITU-R BT.601, full range.
vec3 chromaColor(float cb, float cr) {
  return vec3(1.0 + 1.402 * cr, 1.0 - 0.344136 * cb - 0.714136 * cr, 1.0 + 1.772 * cb);
}

vec3 specularColor(float f[3 * FEATURE_GROUPS], float functions[4 * BASIS_GROUPS]) {
  float luma = 0.0;
  for (int n = 0; n < NUM_BASIS; n++) {
    luma += boundedTanh(f[3 + n]) * functions[n];
  }
#ifndef LUMA_SIGNED
  luma = max(0.0, luma);
#endif
  float tint = 1.0 / (1.0 + exp(-clamp(f[0], -20.0, 20.0)));
  vec3 chroma = chromaColor(boundedTanh(f[1]) / 2.0, boundedTanh(f[2]) / 2.0);
#ifdef COLOR_YCBCR
  return tint * luma * chroma;
#else
  return tint * luma + chroma - 1.0;
#endif
}
#endif

vec3 layerNormal(float f[3 * FEATURE_GROUPS]) {
#if defined(NORMALS_PREDICTED)
  vec3 offset = vec3(f[COLOR_FEATURES], f[COLOR_FEATURES + 1], f[COLOR_FEATURES + 2] - 0.2);
  return offset / max(length(offset), 1e-12);
#elif defined(NORMALS_FLAT)
  return vec3(0, 0, -1);
#else
  return vec3(0);
#endif
}
`;
