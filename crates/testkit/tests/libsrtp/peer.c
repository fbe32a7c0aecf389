/*
 * libsrtp at the other end of a pipe. Reads one command a line, answers with one line: bytes in hexadecimal digits, or
 * "error" and libsrtp's status. Compiled by main.rs beside it; it is part of no product.
 *
 *   key PROFILE HEX     starts a sender and a receiver with a master key and salt
 *   seal-rtp HEX        protects a packet      open-rtp HEX        unprotects one
 *   seal-rtcp HEX       the same for RTCP      open-rtcp HEX
 */

#include <srtp2/srtp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PACKET_BYTES_MAX = 2048, LINE_CHARS_MAX = 2 * PACKET_BYTES_MAX + 64 };

typedef srtp_err_status_t transform(srtp_t, void *, int *);

static const struct {
    const char *name;
    int is_sender;
    transform *apply;
} COMMANDS[] = {
    {"seal-rtp", 1, srtp_protect},
    {"open-rtp", 0, srtp_unprotect},
    {"seal-rtcp", 1, srtp_protect_rtcp},
    {"open-rtcp", 0, srtp_unprotect_rtcp},
};

static int from_hex(const char *text, uint8_t *bytes)
{
    int len = 0;
    unsigned int byte;
    while (len < PACKET_BYTES_MAX && sscanf(text + 2 * len, "%2x", &byte) == 1) {
        bytes[len++] = (uint8_t)byte;
    }
    return len;
}

static void answer(srtp_err_status_t status, const uint8_t *bytes, int len)
{
    if (status != srtp_err_status_ok) {
        printf("error %d", status);
    } else {
        for (int at = 0; at < len; at++) {
            printf("%02x", bytes[at]);
        }
    }
    printf("\n");
    fflush(stdout);
}

static srtp_err_status_t start(srtp_t *session, int profile, uint8_t *key, srtp_ssrc_type_t direction)
{
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, (srtp_profile_t)profile);
    srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, (srtp_profile_t)profile);
    policy.ssrc.type = direction;
    policy.key = key;
    policy.window_size = 1024;
    if (*session != NULL) {
        srtp_dealloc(*session);
        *session = NULL;
    }
    return srtp_create(session, &policy);
}

int main(void)
{
    static char line[LINE_CHARS_MAX];
    static uint8_t bytes[PACKET_BYTES_MAX + SRTP_MAX_TRAILER_LEN];
    srtp_t sender = NULL, receiver = NULL;
    if (srtp_init() != srtp_err_status_ok) {
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char name[16];
        int profile, at = 0;
        if (sscanf(line, "key %d %n", &profile, &at) == 1) {
            from_hex(line + at, bytes);
            srtp_err_status_t status = start(&sender, profile, bytes, ssrc_any_outbound);
            answer(status ? status : start(&receiver, profile, bytes, ssrc_any_inbound), bytes, 0);
            continue;
        }
        sscanf(line, "%15s %n", name, &at);
        int len = from_hex(line + at, bytes);
        for (size_t index = 0; index < sizeof COMMANDS / sizeof COMMANDS[0]; index++) {
            if (strcmp(name, COMMANDS[index].name) == 0) {
                srtp_err_status_t status = COMMANDS[index].apply(COMMANDS[index].is_sender ? sender : receiver, bytes, &len);
                answer(status, bytes, len);
            }
        }
    }
    return 0;
}
