//! Web Authentication, the part of a relying party: what an authenticator has answered is judged.
//!
//! Attestation is not asked for, so that of a new credential nothing is signed, and the browser may
//! hand out its parts one by one (Web Authentication Level 2, section 5.2.1.1): no CBOR is read.
//! Of the flags, presence and verification of the person must be there; extensions are not asked for.

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

use super::secret::{equal, sha256};

/// The most bytes of a credential id (section 5.8.3).
const MAX_CREDENTIAL_ID: usize = 1023;
/// Where the credential id of a new credential begins in the authenticator data: after the hash,
/// the flags, the counter, the model and the length.
const CREDENTIAL_ID_AT: usize = 32 + 1 + 4 + 16 + 2;

/// A signature algorithm of credentials, by its number in COSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: -7.
    Es256,
    /// Ed25519: -8.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256: -257.
    Rs256,
}

impl Algorithm {
    /// All, in the order in which they are asked for.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The number.
    pub const fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }

    /// The algorithm with this number.
    pub fn from_cose(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.cose() == number)
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::EdDsa => &signature::ED25519,
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// What is kept of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The authenticator's name for it.
    pub id: Vec<u8>,
    /// Its public key: SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
    pub public_key: Vec<u8>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// How often it had signed, if its authenticator counts, else 0.
    pub sign_count: u32,
}

/// Who we are.
#[derive(Clone, Copy, Debug)]
pub struct RelyingParty<'a> {
    /// Our domain.
    pub id: &'a str,
    /// Our origin, such as `https://sso.example.com`.
    pub origin: &'a str,
}

/// What a browser says of a ceremony (section 5.8.1).
#[derive(Debug, Deserialize)]
pub struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    /// What the answer is for, in base64url.
    pub challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// Why an answer is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebauthnError {
    /// A part has another form.
    #[error("a part of the answer is malformed")]
    Malformed,
    /// No challenge of ours that this browser may answer now.
    #[error("the challenge is not one that this browser may answer now")]
    WrongChallenge,
    /// No credential that we know for this account.
    #[error("the credential is not known")]
    Unknown,
    /// An answer for another purpose.
    #[error("the answer is of another ceremony")]
    WrongType,
    /// A page of another origin asked.
    #[error("a page of another origin asked")]
    WrongOrigin,
    /// The credential belongs to another domain.
    #[error("the credential belongs to another domain")]
    WrongRelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was present")]
    NotPresent,
    /// The authenticator did not check who is there.
    #[error("the person was not verified")]
    NotVerified,
    /// A key of another kind.
    #[error("the key or its algorithm is not accepted")]
    UnacceptableKey,
    /// The signature is not of this credential.
    #[error("the signature is wrong")]
    WrongSignature,
    /// The counter went back: there may be a copy of the authenticator.
    #[error("the counter went back")]
    CounterWentBack,
}

/// A new credential as the browser hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `getAuthenticatorData()`.
    pub authenticator_data: &'a [u8],
    /// `getPublicKey()`.
    pub public_key: &'a [u8],
    /// `getPublicKeyAlgorithm()`.
    pub algorithm: i64,
}

/// A signature as the browser hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// `signature`.
    pub signature: &'a [u8],
}

/// Reads what the browser says; the challenge is for the caller to judge.
///
/// # Errors
///
/// [`WebauthnError::Malformed`] if it is no such JSON.
pub fn client_data(json: &[u8]) -> Result<ClientData, WebauthnError> {
    serde_json::from_slice(json).map_err(|_| WebauthnError::Malformed)
}

/// Judges a new credential (section 7.1). The caller has judged the challenge.
///
/// # Errors
///
/// The first check that fails.
pub fn register(
    party: RelyingParty<'_>,
    answer: Registration<'_>,
) -> Result<Credential, WebauthnError> {
    check_client(party, answer.client_data, "webauthn.create")?;
    let data = AuthenticatorData::read(answer.authenticator_data)?;
    data.check(party)?;
    let id = data.credential_id().ok_or(WebauthnError::Malformed)?;
    let algorithm = Algorithm::from_cose(answer.algorithm).ok_or(WebauthnError::UnacceptableKey)?;
    ParsedPublicKey::new(algorithm.verification(), answer.public_key)
        .map_err(|_| WebauthnError::UnacceptableKey)?;
    Ok(Credential {
        id: id.to_vec(),
        public_key: answer.public_key.to_vec(),
        algorithm,
        sign_count: data.sign_count,
    })
}

/// Judges a signature (section 7.2); returns the new value of the counter. The caller has judged the
/// challenge.
///
/// # Errors
///
/// The first check that fails.
pub fn verify(
    party: RelyingParty<'_>,
    credential: &Credential,
    answer: Assertion<'_>,
) -> Result<u32, WebauthnError> {
    check_client(party, answer.client_data, "webauthn.get")?;
    let data = AuthenticatorData::read(answer.authenticator_data)?;
    data.check(party)?;
    let mut signed = answer.authenticator_data.to_vec();
    signed.extend_from_slice(&sha256(answer.client_data));
    ParsedPublicKey::new(credential.algorithm.verification(), &credential.public_key)
        .map_err(|_| WebauthnError::UnacceptableKey)?
        .verify_sig(&signed, answer.signature)
        .map_err(|_| WebauthnError::WrongSignature)?;
    let counts = data.sign_count != 0 || credential.sign_count != 0;
    if counts && data.sign_count <= credential.sign_count {
        return Err(WebauthnError::CounterWentBack);
    }
    Ok(data.sign_count)
}

fn check_client(party: RelyingParty<'_>, json: &[u8], kind: &str) -> Result<(), WebauthnError> {
    let client = client_data(json)?;
    if client.kind != kind {
        return Err(WebauthnError::WrongType);
    }
    if client.origin != party.origin || client.cross_origin {
        return Err(WebauthnError::WrongOrigin);
    }
    Ok(())
}

/// The fixed part of section 6.1, and what follows it.
struct AuthenticatorData<'a> {
    party_hash: &'a [u8],
    flags: u8,
    sign_count: u32,
    whole: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    const PRESENT: u8 = 1;
    const VERIFIED: u8 = 1 << 2;
    const HAS_CREDENTIAL: u8 = 1 << 6;

    fn read(whole: &'a [u8]) -> Result<Self, WebauthnError> {
        let (party_hash, rest) = whole.split_at_checked(32).ok_or(WebauthnError::Malformed)?;
        let (flags, rest) = rest.split_first().ok_or(WebauthnError::Malformed)?;
        let count = rest.first_chunk::<4>().ok_or(WebauthnError::Malformed)?;
        Ok(Self { party_hash, flags: *flags, sign_count: u32::from_be_bytes(*count), whole })
    }

    fn check(&self, party: RelyingParty<'_>) -> Result<(), WebauthnError> {
        if !equal(self.party_hash, &sha256(party.id.as_bytes())) {
            return Err(WebauthnError::WrongRelyingParty);
        }
        if self.flags & Self::PRESENT == 0 {
            return Err(WebauthnError::NotPresent);
        }
        if self.flags & Self::VERIFIED == 0 {
            return Err(WebauthnError::NotVerified);
        }
        Ok(())
    }

    fn credential_id(&self) -> Option<&'a [u8]> {
        let (head, rest) = self.whole.split_at_checked(CREDENTIAL_ID_AT)?;
        let length = usize::from(u16::from_be_bytes(*head.last_chunk::<2>()?));
        let (id, _) = rest.split_at_checked(length)?;
        let sane =
            self.flags & Self::HAS_CREDENTIAL != 0 && (1..=MAX_CREDENTIAL_ID).contains(&id.len());
        sane.then_some(id)
    }
}
