// libvpx behind plain functions. In C, because libvpx's structures differ between its versions and its controls take
// variable arguments: the compiler that reads the installed headers gets both right.

#include <stdlib.h>

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

#include "millrace_video.h"

typedef struct {
  vpx_codec_ctx_t codec;
  vpx_codec_iter_t pictures;
} millrace_vpx_decoder;

millrace_vpx_decoder *millrace_vpx_decoder_new(int vp9) {
  millrace_vpx_decoder *decoder = calloc(1, sizeof *decoder);
  if (!decoder) return NULL;
  vpx_codec_dec_cfg_t config = { .threads = 1 };
  vpx_codec_iface_t *codec = vp9 ? vpx_codec_vp9_dx() : vpx_codec_vp8_dx();
  if (vpx_codec_dec_init(&decoder->codec, codec, &config, 0) != VPX_CODEC_OK) {
    free(decoder);
    return NULL;
  }
  return decoder;
}

void millrace_vpx_decoder_free(millrace_vpx_decoder *decoder) {
  vpx_codec_destroy(&decoder->codec);
  free(decoder);
}

// Returns a vpx_codec_err_t. Pictures of the frame before are gone afterwards.
int millrace_vpx_decode(millrace_vpx_decoder *decoder, const uint8_t *bytes, uint32_t length) {
  decoder->pictures = NULL;
  return vpx_codec_decode(&decoder->codec, bytes, length, NULL, 0);
}

// Returns 1 with the next picture, 0 when there is none; what is not I420 of 8 bits is passed over.
int millrace_vpx_picture(millrace_vpx_decoder *decoder, millrace_picture *picture) {
  vpx_image_t *image;
  while ((image = vpx_codec_get_frame(&decoder->codec, &decoder->pictures))) {
    if (image->fmt != VPX_IMG_FMT_I420) continue;
    for (int plane = 0; plane < 3; plane++) {
      picture->planes[plane] = image->planes[plane];
      picture->strides[plane] = image->stride[plane];
    }
    picture->width = image->d_w;
    picture->height = image->d_h;
    return 1;
  }
  return 0;
}

typedef struct {
  vpx_codec_ctx_t codec;
  vpx_codec_enc_cfg_t config;
  vpx_codec_iter_t frames;
} millrace_vpx_encoder;

// WebRTC's settings (modules/video_coding/codecs/vp8/libvpx_vp8_encoder.cc and vp9/libvpx_vp9_encoder.cc).
static void configure(vpx_codec_enc_cfg_t *config, int vp9, const millrace_encoder_settings *settings) {
  config->g_w = settings->width;
  config->g_h = settings->height;
  config->g_timebase.num = 1;
  config->g_timebase.den = 90000;
  // One encoder a core is faster than two threads each: 5.7 against 7.5 ms a frame of 720p VP9 on two cores.
  config->g_threads = 1;
  config->g_lag_in_frames = 0;
  config->g_pass = VPX_RC_ONE_PASS;
  config->g_error_resilient = 0;
  config->rc_end_usage = VPX_CBR;
  config->rc_target_bitrate = settings->kilobits_per_second;
  config->rc_resize_allowed = 0;
  config->rc_dropframe_thresh = 0;
  config->rc_min_quantizer = settings->screen ? (vp9 ? 8 : 12) : 2;
  config->rc_max_quantizer = vp9 ? 52 : 56;
  config->rc_undershoot_pct = vp9 ? 50 : 100;
  config->rc_overshoot_pct = vp9 ? 50 : 15;
  config->rc_buf_initial_sz = 500;
  config->rc_buf_optimal_sz = 600;
  config->rc_buf_sz = 1000;
  // Key frames come when they are asked for.
  config->kf_mode = VPX_KF_DISABLED;
}

// Returns the first control that libvpx refuses, or VPX_CODEC_OK.
static vpx_codec_err_t control(vpx_codec_ctx_t *codec, int vp9, const millrace_encoder_settings *settings) {
  vpx_codec_err_t error = vpx_codec_control(codec, VP8E_SET_CPUUSED, settings->speed);
  if (!error) error = vpx_codec_control(codec, VP8E_SET_STATIC_THRESHOLD, settings->screen && !vp9 ? 100u : 1u);
  if (!error) error = vpx_codec_control(codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, settings->key_frame_percent_max);
  if (error || !vp9) {
    if (!error) error = vpx_codec_control(codec, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION);
    if (!error) error = vpx_codec_control(codec, VP8E_SET_NOISE_SENSITIVITY, 0u);
    if (!error) error = vpx_codec_control(codec, VP8E_SET_SCREEN_CONTENT_MODE, settings->screen ? 2u : 0u);
    return error;
  }
  error = vpx_codec_control(codec, VP9E_SET_AQ_MODE, 3u);
  if (!error) error = vpx_codec_control(codec, VP9E_SET_ROW_MT, 0u);
  if (!error) error = vpx_codec_control(codec, VP9E_SET_TILE_COLUMNS, 0);
  if (!error) error = vpx_codec_control(codec, VP9E_SET_FRAME_PARALLEL_DECODING, 0u);
  if (!error) error = vpx_codec_control(codec, VP9E_SET_SVC_GF_TEMPORAL_REF, 0u);
  if (!error) error = vpx_codec_control(codec, VP9E_SET_TUNE_CONTENT, settings->screen ? VP9E_CONTENT_SCREEN : VP9E_CONTENT_DEFAULT);
  return error;
}

millrace_vpx_encoder *millrace_vpx_encoder_new(int vp9, const millrace_encoder_settings *settings) {
  millrace_vpx_encoder *encoder = calloc(1, sizeof *encoder);
  if (!encoder) return NULL;
  vpx_codec_iface_t *codec = vp9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx();
  if (vpx_codec_enc_config_default(codec, &encoder->config, 0) == VPX_CODEC_OK) {
    configure(&encoder->config, vp9, settings);
    if (vpx_codec_enc_init(&encoder->codec, codec, &encoder->config, 0) == VPX_CODEC_OK) {
      if (control(&encoder->codec, vp9, settings) == VPX_CODEC_OK) return encoder;
      vpx_codec_destroy(&encoder->codec);
    }
  }
  free(encoder);
  return NULL;
}

void millrace_vpx_encoder_free(millrace_vpx_encoder *encoder) {
  vpx_codec_destroy(&encoder->codec);
  free(encoder);
}

// Returns a vpx_codec_err_t.
int millrace_vpx_encoder_set_bitrate(millrace_vpx_encoder *encoder, uint32_t kilobits_per_second) {
  encoder->config.rc_target_bitrate = kilobits_per_second;
  return vpx_codec_enc_config_set(&encoder->codec, &encoder->config);
}

// Returns a vpx_codec_err_t.
int millrace_vpx_encoder_set_speed(millrace_vpx_encoder *encoder, int speed) {
  return vpx_codec_control(&encoder->codec, VP8E_SET_CPUUSED, speed);
}

// Returns a vpx_codec_err_t. `ticks` and `duration` are of 90 kHz. The picture's size must be the encoder's.
int millrace_vpx_encode(millrace_vpx_encoder *encoder, const millrace_picture *picture, int64_t ticks, uint32_t duration,
                        int key) {
  vpx_image_t image;
  // Only describes the planes; the pointer is replaced below.
  if (!vpx_img_wrap(&image, VPX_IMG_FMT_I420, picture->width, picture->height, 1, (uint8_t *)picture->planes[0])) {
    return VPX_CODEC_INVALID_PARAM;
  }
  for (int plane = 0; plane < 3; plane++) {
    image.planes[plane] = (uint8_t *)picture->planes[plane];
    image.stride[plane] = picture->strides[plane];
  }
  encoder->frames = NULL;
  return vpx_codec_encode(&encoder->codec, &image, ticks, duration, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
}

// Returns 1 with the next part of the frame, 0 when there is none.
int millrace_vpx_frame(millrace_vpx_encoder *encoder, millrace_frame *frame) {
  const vpx_codec_cx_pkt_t *packet;
  while ((packet = vpx_codec_get_cx_data(&encoder->codec, &encoder->frames))) {
    if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
    frame->bytes = packet->data.frame.buf;
    frame->length = packet->data.frame.sz;
    frame->key = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
    return 1;
  }
  return 0;
}
