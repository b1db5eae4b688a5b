//! The signature of a delivery, byte for byte as WorkOS's SDKs verify it.

use aws_lc_rs::hmac;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// The header that carries it.
pub(super) const HEADER: &str = "workos-signature";

/// `t=<ms>, v1=<hex>`: HMAC-SHA-256 under the whole text of the secret, over the moment in
/// milliseconds, a dot, and the body as it is sent.
///
/// The comma is followed by a space: Python's SDK cuts at both.
pub fn sign(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    use std::fmt::Write;
    let at = at.as_ms().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(at.as_bytes());
    context.update(b".");
    context.update(body);
    let mut header = format!("t={at}, v1=");
    for byte in context.sign().as_ref() {
        let _ = write!(header, "{byte:02x}");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figure is OpenSSL's: `printf '1700000000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn whk_02_the_signature_is_that_of_the_moment_and_the_raw_body() {
        let signature =
            sign(&Secret::new("whsec_test"), Timestamp::from_ms(1_700_000_000_000), b"{\"a\":1}");
        assert_eq!(
            signature,
            "t=1700000000000, v1=33284ebef248a1f463f81384bfb39351b857cb4897c654b820611536fa084f1e"
        );
    }
}
