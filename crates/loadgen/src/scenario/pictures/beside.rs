//! The same mix by GStreamer and by FFmpeg, processes of their own that read the same streams from files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arranged, FRAME_RATE, HD, SMALL, encoding};
use crate::scenario::failed;

/// Frames of the short run, in which a program starts.
const SHORT_FRAMES: usize = 30;

/// A run.
#[derive(Debug, Deserialize)]
pub(crate) struct Beside {
    arranged: Arranged,
    /// Frames that count.
    frames: usize,
}

impl Beside {
    pub(in crate::scenario) fn run(&self) -> io::Result<Value> {
        let folder = Folder::new()?;
        let streams = self.arranged.streams()?;
        let mut ms = Vec::new();
        for program in [gstreamer, ffmpeg] {
            let mut spent = Vec::new();
            for frames in [SHORT_FRAMES, SHORT_FRAMES + self.frames] {
                let files = (0..).zip(&streams).map(|(person, stream)| folder.stream(person, stream, frames));
                let files = files.collect::<io::Result<Vec<_>>>()?;
                let out = folder.0.join("mix.mkv");
                spent.push(cpu_time(program(self.arranged, &files, &out)?)?);
                check(&out, frames)?;
            }
            // What both runs do once is in neither.
            ms.push(spent[1].saturating_sub(spent[0]).as_secs_f64() * 1e3 / self.frames as f64);
        }
        Ok(json!({ "gstreamerMsAFrame": ms[0], "ffmpegMsAFrame": ms[1] }))
    }
}

/// `compositor` and libvpx, with the settings of `crates/codecs/c/vpx.c`.
fn gstreamer(arranged: Arranged, files: &[PathBuf], out: &Path) -> io::Result<Command> {
    let mut pipeline = String::from("compositor name=mix background=black max-threads=1");
    for (person, tile) in arranged.tiles()?.iter().enumerate() {
        let place = format!("xpos={} ypos={} width={} height={}", tile.left, tile.top, tile.width, tile.height);
        place.split(' ').for_each(|part| pipeline += &format!(" sink_{person}::{part}"));
    }
    pipeline += &format!(
        " ! video/x-raw,format=I420,width={},height={},framerate={FRAME_RATE}/1 ! vp8enc deadline=1 cpu-used=-6 threads=1 \
         end-usage=cbr target-bitrate={} min-quantizer=2 max-quantizer=56 undershoot=100 overshoot=15 buffer-initial-size=500 \
         buffer-optimal-size=600 buffer-size=1000 static-threshold=1 noise-sensitivity=0 token-partitions=1 lag-in-frames=0 \
         keyframe-mode=disabled keyframe-max-dist=100000 ! matroskamux ! filesink location={}",
        HD.width,
        HD.height,
        encoding().bitrate,
        out.display()
    );
    for (person, file) in files.iter().enumerate() {
        pipeline += &format!(" filesrc location={} ! ivfparse ! vp8dec threads=1 ! mix.sink_{person}", file.display());
    }
    let mut command = Command::new("gst-launch-1.0");
    command.arg("--quiet").args(pipeline.split(' '));
    Ok(command)
}

/// Its own VP8 decoder, its scaler, `xstack` and libvpx, with the settings of `crates/codecs/c/vpx.c`.
fn ffmpeg(arranged: Arranged, files: &[PathBuf], out: &Path) -> io::Result<Command> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-filter_complex_threads", "1"]);
    for file in files {
        command.args(["-threads", "1", "-i"]).arg(file);
    }
    let (mut scales, mut labels, mut places) = (String::new(), String::new(), Vec::new());
    for (person, tile) in arranged.tiles()?.iter().enumerate() {
        scales += &format!("[{person}:v]scale={}:{}:flags=bilinear[p{person}];", tile.width, tile.height);
        labels += &format!("[p{person}]");
        places.push(format!("{}_{}", tile.left, tile.top));
    }
    let stack = format!("xstack=inputs={}:fill=black:layout={}", files.len(), places.join("|"));
    // Tiles may leave some columns at the edge.
    let filter = format!("{scales}{labels}{stack},pad={}:{}", HD.width, HD.height);
    let bitrate = encoding().bitrate.to_string();
    command.args(["-filter_complex", &filter, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "-6"]);
    command.args(["-threads", "1", "-b:v", &bitrate, "-minrate", &bitrate, "-maxrate", &bitrate, "-bufsize", &bitrate]);
    command.args([
        "-qmin",
        "2",
        "-qmax",
        "56",
        "-undershoot-pct",
        "100",
        "-overshoot-pct",
        "15",
        "-static-thresh",
        "1",
    ]);
    command.args(["-noise-sensitivity", "0", "-lag-in-frames", "0", "-g", "100000"]).arg(out);
    Ok(command)
}

/// Runs a program to its end and tells its CPU time.
fn cpu_time(mut command: Command) -> io::Result<Duration> {
    let before = children()?;
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(failed(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(children()?.saturating_sub(before))
}

/// CPU time of all children that ended.
fn children() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(micros.iter().sum::<i64>().unsigned_abs()))
}

/// Refuses the figure of a program that made something else.
fn check(out: &Path, frames: usize) -> io::Result<()> {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries"]);
    let told = probe.arg("stream=codec_name,width,height,nb_read_packets").arg(out).output()?;
    let (told, expected) = (String::from_utf8_lossy(&told.stdout), format!("vp8,{},{},{frames}", HD.width, HD.height));
    if told.trim() == expected { Ok(()) } else { Err(failed(format!("made {}, not {expected}", told.trim()))) }
}

/// A folder of streams that is gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("millrace-pictures-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Writes a stream as IVF: a header of 32 bytes, then each frame behind its length and number.
    fn stream(&self, person: usize, frames: &[Vec<u8>], count: usize) -> io::Result<PathBuf> {
        let mut bytes = b"DKIF\0\0\x20\0VP80".to_vec();
        let sides = [SMALL.width, SMALL.height].map(|side| side as u16);
        sides.iter().for_each(|side| bytes.extend(side.to_le_bytes()));
        [FRAME_RATE, 1, count as u32, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        for (number, frame) in frames.iter().cycle().take(count).enumerate() {
            bytes.extend((frame.len() as u32).to_le_bytes());
            bytes.extend((number as u64).to_le_bytes());
            bytes.extend_from_slice(frame);
        }
        let file = self.0.join(format!("{person}.ivf"));
        fs::write(&file, bytes)?;
        Ok(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
