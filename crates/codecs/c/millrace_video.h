// What Rust sees of the C encoders and decoders: crates/codecs/src/vpx.rs and av1.rs declare the same.
#ifndef MILLRACE_VIDEO_H
#define MILLRACE_VIDEO_H

#include <stddef.h>
#include <stdint.h>

// A picture in I420, lent for one call.
typedef struct {
  const uint8_t *planes[3];
  int32_t strides[3];
  uint32_t width;
  uint32_t height;
} millrace_picture;

// How an encoder works; what may change while it runs is bitrate and frame duration.
typedef struct {
  uint32_t width;
  uint32_t height;
  uint32_t kilobits_per_second;
  // Largest key frame, in percent of an average frame.
  uint32_t key_frame_percent_max;
  int32_t speed;
  int32_t screen;
} millrace_encoder_settings;

// An encoded frame, lent until the next call.
typedef struct {
  const uint8_t *bytes;
  size_t length;
  int32_t key;
} millrace_frame;

#endif
