// libaom's real-time encoder behind plain functions; see vpx.c for why.

#include <stdlib.h>

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>

#include "millrace_video.h"

typedef struct {
  aom_codec_ctx_t codec;
  aom_codec_enc_cfg_t config;
  aom_codec_iter_t frames;
} millrace_aom_encoder;

// WebRTC's settings (modules/video_coding/codecs/av1/libaom_av1_encoder.cc).
static void configure(aom_codec_enc_cfg_t *config, const millrace_encoder_settings *settings) {
  config->g_w = settings->width;
  config->g_h = settings->height;
  config->g_timebase.num = 1;
  config->g_timebase.den = 90000;
  config->g_threads = 1;
  config->g_lag_in_frames = 0;
  config->g_pass = AOM_RC_ONE_PASS;
  config->g_error_resilient = 0;
  config->g_input_bit_depth = 8;
  config->rc_end_usage = AOM_CBR;
  config->rc_target_bitrate = settings->kilobits_per_second;
  config->rc_dropframe_thresh = 0;
  config->rc_min_quantizer = 10;
  config->rc_max_quantizer = 56;
  config->rc_undershoot_pct = 50;
  config->rc_overshoot_pct = 50;
  config->rc_buf_initial_sz = 600;
  config->rc_buf_optimal_sz = 600;
  config->rc_buf_sz = 1000;
  config->kf_mode = AOM_KF_DISABLED;
}

static aom_codec_err_t control(aom_codec_ctx_t *codec, const millrace_encoder_settings *settings) {
  const struct { int id; int value; } controls[] = {
    { AOME_SET_CPUUSED, settings->speed },
    { AOME_SET_MAX_INTRA_BITRATE_PCT, (int)settings->key_frame_percent_max },
    { AV1E_SET_TUNE_CONTENT, settings->screen ? AOM_CONTENT_SCREEN : AOM_CONTENT_DEFAULT },
    { AV1E_SET_ENABLE_PALETTE, settings->screen != 0 },
    { AV1E_SET_AQ_MODE, 3 },
    { AV1E_SET_CDF_UPDATE_MODE, 1 },
    { AV1E_SET_TILE_COLUMNS, 0 },
    { AV1E_SET_ROW_MT, 0 },
    { AV1E_SET_COEFF_COST_UPD_FREQ, 3 },
    { AV1E_SET_MODE_COST_UPD_FREQ, 3 },
    { AV1E_SET_MV_COST_UPD_FREQ, 3 },
    { AV1E_SET_DELTAQ_MODE, 0 },
    { AV1E_SET_ENABLE_ORDER_HINT, 0 },
    { AV1E_SET_ENABLE_OBMC, 0 },
    { AV1E_SET_ENABLE_WARPED_MOTION, 0 },
    { AV1E_SET_ENABLE_GLOBAL_MOTION, 0 },
    { AV1E_SET_ENABLE_REF_FRAME_MVS, 0 },
    { AV1E_SET_ENABLE_CFL_INTRA, 0 },
    { AV1E_SET_ENABLE_SMOOTH_INTRA, 0 },
    { AV1E_SET_ENABLE_ANGLE_DELTA, 0 },
    { AV1E_SET_ENABLE_FILTER_INTRA, 0 },
    { AV1E_SET_INTRA_DEFAULT_TX_ONLY, 1 },
    { AV1E_SET_DISABLE_TRELLIS_QUANT, 1 },
  };
  for (size_t at = 0; at < sizeof controls / sizeof *controls; at++) {
    // Every one of them reads one int or unsigned.
    aom_codec_err_t error = aom_codec_control(codec, controls[at].id, controls[at].value);
    if (error != AOM_CODEC_OK) return error;
  }
  return AOM_CODEC_OK;
}

millrace_aom_encoder *millrace_aom_encoder_new(const millrace_encoder_settings *settings) {
  millrace_aom_encoder *encoder = calloc(1, sizeof *encoder);
  if (!encoder) return NULL;
  aom_codec_iface_t *codec = aom_codec_av1_cx();
  if (aom_codec_enc_config_default(codec, &encoder->config, AOM_USAGE_REALTIME) == AOM_CODEC_OK) {
    configure(&encoder->config, settings);
    if (aom_codec_enc_init(&encoder->codec, codec, &encoder->config, 0) == AOM_CODEC_OK) {
      if (control(&encoder->codec, settings) == AOM_CODEC_OK) return encoder;
      aom_codec_destroy(&encoder->codec);
    }
  }
  free(encoder);
  return NULL;
}

void millrace_aom_encoder_free(millrace_aom_encoder *encoder) {
  aom_codec_destroy(&encoder->codec);
  free(encoder);
}

// Returns an aom_codec_err_t.
int millrace_aom_encoder_set_bitrate(millrace_aom_encoder *encoder, uint32_t kilobits_per_second) {
  encoder->config.rc_target_bitrate = kilobits_per_second;
  return aom_codec_enc_config_set(&encoder->codec, &encoder->config);
}

// Returns an aom_codec_err_t.
int millrace_aom_encoder_set_speed(millrace_aom_encoder *encoder, int speed) {
  return aom_codec_control(&encoder->codec, AOME_SET_CPUUSED, speed);
}

// Returns an aom_codec_err_t. `ticks` and `duration` are of 90 kHz. The picture's size must be the encoder's.
int millrace_aom_encode(millrace_aom_encoder *encoder, const millrace_picture *picture, int64_t ticks, uint32_t duration,
                        int key) {
  aom_image_t image;
  if (!aom_img_wrap(&image, AOM_IMG_FMT_I420, picture->width, picture->height, 1, (uint8_t *)picture->planes[0])) {
    return AOM_CODEC_INVALID_PARAM;
  }
  for (int plane = 0; plane < 3; plane++) {
    image.planes[plane] = (uint8_t *)picture->planes[plane];
    image.stride[plane] = picture->strides[plane];
  }
  encoder->frames = NULL;
  return aom_codec_encode(&encoder->codec, &image, ticks, duration, key ? AOM_EFLAG_FORCE_KF : 0);
}

// Returns 1 with the next part of the frame, 0 when there is none.
int millrace_aom_frame(millrace_aom_encoder *encoder, millrace_frame *frame) {
  const aom_codec_cx_pkt_t *packet;
  while ((packet = aom_codec_get_cx_data(&encoder->codec, &encoder->frames))) {
    if (packet->kind != AOM_CODEC_CX_FRAME_PKT) continue;
    frame->bytes = packet->data.frame.buf;
    frame->length = packet->data.frame.sz;
    frame->key = (packet->data.frame.flags & AOM_FRAME_IS_KEY) != 0;
    return 1;
  }
  return 0;
}
