//! RSA keys of our own: what we sign with, and how others see it (RFC 7515, RFC 7517).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, PKCS_RSA_SHA256, SerialNumber};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secret::{base64url, random_bytes, sha256};
use super::{Error, Result};

/// A key that was just made.
pub struct NewKey {
    /// PKCS #8; a secret.
    pub private: Zeroizing<Vec<u8>>,
    /// The public half as a JWK, with a certificate of its own (`x5c`) because WorkOS's have one.
    pub jwk: Value,
}

/// Makes an RSA key of 2048 bits with this `kid`. That takes a while: do it where nobody waits.
///
/// # Errors
///
/// [`Error::Internal`] if the key cannot be made or written down.
pub fn generate(kid: &str) -> Result<NewKey> {
    let failed = |_| Error::internal("a signing key could not be made");
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'static> = pair.as_der().map_err(failed)?;
    let private = Zeroizing::new(der.as_ref().to_vec());
    let certificate = certificate(kid, &private)?;
    let (n, e) = rsa_public_numbers(pair.public_key().as_ref())
        .ok_or_else(|| Error::internal("a public key could not be read"))?;
    let jwk = json!({
        "alg": "RS256",
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "n": base64url(n),
        "e": base64url(e),
        "x5c": [STANDARD.encode(&certificate)],
        "x5t#S256": base64url(&sha256(&certificate)),
    });
    Ok(NewKey { private, jwk })
}

/// A certificate that the key signs for itself: a wrapping of the public key, which proves nothing.
fn certificate(kid: &str, private: &[u8]) -> Result<Vec<u8>> {
    let der = private.into();
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256);
    let key = key.map_err(Error::internal)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, kid);
    params.serial_number = Some(SerialNumber::from_slice(&random_bytes::<16>()));
    Ok(params.self_signed(&key).map_err(Error::internal)?.der().to_vec())
}

/// A JWT with this header's `typ` and these claims, signed with RS256 (RFC 7515 section 3.1). The same
/// input gives the same token.
///
/// # Errors
///
/// [`Error::Internal`] if the key is none.
pub fn sign(private: &[u8], (kid, typ): (&str, &str), claims: &Value) -> Result<String> {
    let failed = |_| Error::internal("a token could not be signed");
    let pair = RsaKeyPair::from_pkcs8(private).map_err(Error::internal)?;
    let header = json!({ "alg": "RS256", "typ": typ, "kid": kid });
    let encode = |value: &Value| base64url(value.to_string().as_bytes());
    let message = format!("{}.{}", encode(&header), encode(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).map_err(failed)?;
    Ok(format!("{message}.{}", base64url(&signature)))
}

/// Modulus and exponent out of an `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
/// The library shows them only with a feature that we do not need otherwise.
pub fn rsa_public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_element(der, 0x30)?;
    let (modulus, rest) = der_element(sequence, 0x02)?;
    let (exponent, _) = der_element(rest, 0x02)?;
    Some((unsigned(modulus), unsigned(exponent)))
}

/// The content of the first element, which must have this tag, and what follows the element.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest
            .split_first_chunk::<2>()
            .map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn unsigned(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn what_is_signed_is_verified_by_the_published_half() {
        let key = generate("sso_key_1").unwrap();
        let claims = json!({ "sub": "prof_1" });
        let token = sign(&key.private, ("sso_key_1", "at+jwt"), &claims).unwrap();
        assert_eq!(token, sign(&key.private, ("sso_key_1", "at+jwt"), &claims).unwrap());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let number = |name: &str| decode(key.jwk[name].as_str().unwrap());
        let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
        let verify = |message: &str| {
            let signature = decode(signature);
            public.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature)
        };
        assert!(verify(message).is_ok());
        assert!(verify(&message[..message.len() - 1]).is_err());
        for member in ["alg", "kty", "use", "kid", "n", "e", "x5t#S256"] {
            assert!(key.jwk[member].is_string(), "{member}");
        }
        let certificate = STANDARD.decode(key.jwk["x5c"][0].as_str().unwrap()).unwrap();
        assert_eq!(key.jwk["x5t#S256"], base64url(&sha256(&certificate)));
        let modulus = number("n");
        assert!(certificate.windows(modulus.len()).any(|window| window == modulus));
        assert!(key.jwk.get("d").is_none());
    }
}
