//! A logo: whatever picture was sent, what is kept is a PNG that we encoded ourselves, so nothing of
//! the file but its pixels gets through.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use crate::base::secret::{base64url, sha256};
use crate::base::{Error, Result};

/// How large a file may be: 1 MB, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How wide and high a picture may be, in pixels.
const MAX_SIDE: u32 = 4096;
/// How much memory reading it may take, in bytes.
const MAX_MEMORY: u64 = 96 * 1024 * 1024;
/// How wide and high a logo is at the most, in pixels.
const SIDE: u32 = 512;

/// A logo that we encoded.
#[derive(Clone, Debug)]
pub struct Logo {
    png: Vec<u8>,
    hash: String,
}

impl Logo {
    /// Reads a PNG or JPEG file. Takes some milliseconds of computing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is none, or too large.
    pub fn read(file: &[u8]) -> Result<Self> {
        let refuse = |message: &str| Error::invalid("invalid_logo", "logo", message);
        if file.len() > MAX_BYTES {
            return Err(refuse("The file is larger than 1 MB."));
        }
        let none = || refuse("The file is no PNG or JPEG picture of at most 4096 × 4096 pixels.");
        let mut reader = ImageReader::new(Cursor::new(file));
        reader = reader.with_guessed_format().map_err(|_| none())?;
        if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
            return Err(none());
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_MEMORY);
        reader.limits(limits);
        let picture = reader.decode().map_err(|_| none())?;
        let fits = picture.width() <= SIDE && picture.height() <= SIDE;
        let picture = if fits { picture } else { picture.thumbnail(SIDE, SIDE) };
        let mut png = Vec::new();
        DynamicImage::from(picture.to_rgba8())
            .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
            .map_err(Error::internal)?;
        let hash = base64url(&sha256(&png)[..9]);
        Ok(Self { png, hash })
    }

    /// The file.
    pub fn png(&self) -> &[u8] {
        &self.png
    }

    /// A part of its hash, which its address carries.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(side: u32, format: ImageFormat) -> Vec<u8> {
        let mut file = Vec::new();
        let picture = DynamicImage::new_rgb8(side, side);
        picture.write_to(&mut Cursor::new(&mut file), format).unwrap();
        file
    }

    #[test]
    fn dsh_07_what_is_kept_is_a_png_of_ours_and_nothing_of_the_file_but_its_pixels() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let mut file = picture(600, format);
            file.extend_from_slice(b"<script>alert(1)</script>");
            let logo = Logo::read(&file).unwrap();
            assert!(logo.png().starts_with(b"\x89PNG\r\n"));
            assert!(!logo.png().windows(8).any(|part| part == b"<script>"));
            let kept = image::load_from_memory(logo.png()).unwrap();
            assert_eq!((kept.width(), kept.height()), (512, 512));
        }
    }

    #[test]
    fn dsh_07_everything_else_is_refused() {
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
        let html = b"<!doctype html><script>alert(1)</script>".to_vec();
        let mut cut = picture(64, ImageFormat::Png);
        cut.truncate(60);
        // The head of a PNG that says 30,000 × 30,000 pixels.
        let mut bomb = picture(64, ImageFormat::Png);
        bomb[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
        let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec();
        for file in [svg, html, cut, bomb, gif, Vec::new(), vec![0; MAX_BYTES + 1]] {
            assert!(matches!(Logo::read(&file), Err(Error::Invalid { .. })));
        }
    }
}
