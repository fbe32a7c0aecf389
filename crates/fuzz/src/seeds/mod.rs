//! The generated part of the corpus: what our own writers make, and the hand-made packets of the parsers' tests.

mod frames;
mod media;
mod protocols;
mod scripts;

pub(crate) use frames::{frames_aac, frames_av1, frames_h264, frames_h265, frames_vp8, frames_vp9, mixer, video_mixer};
pub(crate) use media::rtp as rtp_header;
pub(crate) use media::{av1, dependency, estimator, h264, h265, rtcp, rtp, rtx, transport_feedback, vp8, vp9};
pub(crate) use protocols::{dtls_client_hello, dtls_records, process_frames, sctp_filter, srtp, stun, tcp_framing};
pub(crate) use scripts::{data_address, observers, plain, router, sctp, transport};

/// Inputs with their names.
pub(crate) type Seeds = Vec<(String, Vec<u8>)>;

/// `inputs` under numbers.
fn numbered<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> Seeds {
    inputs.into_iter().zip(1..).map(|(bytes, number)| (number.to_string(), bytes.to_vec())).collect()
}
