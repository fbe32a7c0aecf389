//! Pictures that move, how far two of them differ, and the files by which FFmpeg takes and gives frames.

use std::time::Duration;

use millrace_frames::{Encoded, PictureView, VideoDecoder, VideoEncoder};

/// A picture of one's own, its planes without padding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) planes: [Vec<u8>; 3],
}

impl Picture {
    /// The picture number `at` of a film: a gradient with fine texture, and a bright square that moves over it.
    pub(crate) fn of_film(width: u32, height: u32, at: u32) -> Self {
        let square = (width / 4).max(4);
        let (left, top) = ((at * 3) % (width - square + 1), (at * 2) % (height - square.min(height) + 1));
        let luma = |x: u32, y: u32| {
            let inside = (left..left + square).contains(&x) && (top..top + square).contains(&y);
            let texture = (x * 7 + y * 13 + (x * y) / 5) % 16;
            if inside { 200 + texture } else { 40 + x * 100 / width + y * 40 / height + texture }
        };
        let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
        let plane = |columns: u32, rows: u32, sample: &dyn Fn(u32, u32) -> u32| {
            (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))).map(|(x, y)| sample(x, y) as u8).collect()
        };
        let planes = [
            plane(width, height, &luma),
            plane(columns, rows, &|x, _| 100 + x * 50 / columns),
            plane(columns, rows, &|_, y| 160 - y * 50 / rows),
        ];
        Self { width, height, planes }
    }

    pub(crate) fn of(view: PictureView<'_>) -> Self {
        let planes = [0, 1, 2].map(|plane| view.rows(plane).flatten().copied().collect());
        Self { width: view.width, height: view.height, planes }
    }

    /// Pictures of this size from FFmpeg's raw video.
    pub(crate) fn all_of(bytes: &[u8], width: u32, height: u32) -> Vec<Self> {
        let (luma, chroma) = ((width * height) as usize, (width.div_ceil(2) * height.div_ceil(2)) as usize);
        let picture = |bytes: &[u8]| {
            let (y, rest) = bytes.split_at(luma);
            let (u, v) = rest.split_at(chroma);
            Self { width, height, planes: [y.to_vec(), u.to_vec(), v.to_vec()] }
        };
        bytes.chunks_exact(luma + 2 * chroma).map(picture).collect()
    }

    pub(crate) fn view(&self) -> PictureView<'_> {
        let [y, u, v] = &self.planes;
        let chroma = self.width.div_ceil(2) as usize;
        PictureView::new(self.width, self.height, [y, u, v], [self.width as usize, chroma, chroma]).expect("whole")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.planes.concat()
    }

    /// Peak signal-to-noise ratio over all three planes, in dB.
    pub(crate) fn psnr(&self, other: &Self) -> f64 {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let (a, b) = (self.bytes(), other.bytes());
        let error = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / a.len() as f64;
        10.0 * f64::log10(255.0 * 255.0 / error.max(1e-9))
    }
}

/// One encoded frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) key: bool,
}

/// Encodes `count` pictures of the film from number `from` on at 30 a second; a key frame is asked for at `key`.
pub(crate) fn encode(
    encoder: &mut dyn VideoEncoder,
    (width, height): (u32, u32),
    from: u32,
    count: u32,
    key: Option<u32>,
) -> Vec<Frame> {
    let frame = |at: u32| {
        let mut bytes = Vec::new();
        let time = Duration::from_micros(u64::from(at) * 1_000_000 / 30);
        let picture = Picture::of_film(width, height, at);
        match encoder.encode(picture.view(), time, key == Some(at), &mut bytes) {
            Ok(Encoded::Frame { key }) => Frame { bytes, key },
            other => panic!("picture {at}: {other:?}"),
        }
    };
    (from..from + count).map(frame).collect()
}

pub(crate) fn decode(decoder: &mut dyn VideoDecoder, frames: &[Frame]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for (at, frame) in frames.iter().enumerate() {
        let decoded = decoder.decode(&frame.bytes, &mut |view| pictures.push(Picture::of(view)));
        assert_eq!(decoded, Ok(()), "frame {at}");
    }
    pictures
}

/// The worst PSNR of `pictures` against the film from number `from` on, in dB.
pub(crate) fn worst_psnr(pictures: &[Picture], from: u32) -> f64 {
    let psnr = |(at, picture): (u32, &Picture)| picture.psnr(&Picture::of_film(picture.width, picture.height, at));
    (from..).zip(pictures).map(psnr).fold(f64::INFINITY, f64::min)
}

/// An IVF file: a header of 32 bytes, and 12 before each frame.
pub(crate) fn ivf(codec: &[u8; 4], (width, height): (u32, u32), frames: &[Frame]) -> Vec<u8> {
    let mut file = b"DKIF\0\0\x20\0".to_vec();
    file.extend_from_slice(codec);
    file.extend([width as u16, height as u16].iter().flat_map(|side| side.to_le_bytes()));
    file.extend([30_u32, 1, frames.len() as u32, 0].iter().flat_map(|field| field.to_le_bytes()));
    for (at, frame) in frames.iter().enumerate() {
        file.extend_from_slice(&(frame.bytes.len() as u32).to_le_bytes());
        file.extend_from_slice(&(at as u64).to_le_bytes());
        file.extend_from_slice(&frame.bytes);
    }
    file
}

/// The frames of an IVF file.
pub(crate) fn ivf_frames(file: &[u8]) -> Vec<Frame> {
    let (mut frames, mut rest) = (Vec::new(), &file[32..]);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (bytes, next) = after[8..].split_at(u32::from_le_bytes(*length) as usize);
        frames.push(Frame { bytes: bytes.to_vec(), key: frames.is_empty() });
        rest = next;
    }
    frames
}
