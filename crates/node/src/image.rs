//! Pictures as files, written on a thread of Node's pool.

use std::panic::catch_unwind;

use millrace_engine::{ImageFormat, encode_image};
use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Result, Task};
use napi_derive::napi;

/// A picture that is to be written.
pub struct ImageTask {
    rgba: Buffer,
    width: u32,
    height: u32,
    format: ImageFormat,
}

impl Task for ImageTask {
    type Output = Vec<u8>;
    type JsValue = Buffer;

    fn compute(&mut self) -> Result<Vec<u8>> {
        let Self { rgba, width, height, format } = self;
        let (rgba, width, height, format) = (rgba.as_ref(), *width, *height, *format);
        let written = catch_unwind(|| encode_image(rgba, width, height, format));
        let written = written.map_err(|_| Error::from_reason("the picture could not be written"))?;
        written.map_err(|error| Error::from_reason(error.to_string()))
    }

    fn resolve(&mut self, _: Env, file: Vec<u8>) -> Result<Buffer> {
        Ok(file.into())
    }
}

/// Writes a picture of red, green, blue and alpha bytes as PNG, or as JPEG where a quality of 1 to 100 is given.
#[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
pub fn write_image(rgba: Buffer, width: u32, height: u32, quality: Option<u8>) -> AsyncTask<ImageTask> {
    let format = quality.map_or(ImageFormat::Png, ImageFormat::Jpeg);
    AsyncTask::new(ImageTask { rgba, width, height, format })
}
