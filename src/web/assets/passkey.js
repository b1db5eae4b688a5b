// Passkeys: asks the browser, puts what it answers into the hidden fields of the form, and sends it.
// form[data-passkey]: "get" or "create"; data-challenge: where a challenge is had.
"use strict";

(() => {
  if (!window.PublicKeyCredential) return;
  const encode = (buffer) => {
    let text = "";
    for (const byte of new Uint8Array(buffer ?? new ArrayBuffer(0))) text += String.fromCharCode(byte);
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const decode = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const fill = (form, values) => {
    for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  };

  const get = async (form, { challenge, rp_id }) => {
    const publicKey = { challenge: decode(challenge), rpId: rp_id, userVerification: "required" };
    const credential = await navigator.credentials.get({ publicKey });
    const answer = credential.response;
    fill(form, {
      credential_id: encode(credential.rawId),
      client_data: encode(answer.clientDataJSON),
      authenticator_data: encode(answer.authenticatorData),
      signature: encode(answer.signature),
      user_handle: encode(answer.userHandle),
    });
  };

  const create = async (form, { challenge, rp_id, algorithms }) => {
    const name = form.elements.email?.value || form.dataset.email;
    const publicKey = {
      challenge: decode(challenge),
      rp: { id: rp_id, name: "Vestibule" },
      user: {
        id: new TextEncoder().encode(form.dataset.owner),
        name,
        displayName: form.elements.name?.value || name,
      },
      pubKeyCredParams: algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: (form.dataset.known ?? "")
        .split(" ")
        .filter(Boolean)
        .map((id) => ({ type: "public-key", id: decode(id) })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
    };
    const credential = await navigator.credentials.create({ publicKey });
    const answer = credential.response;
    fill(form, {
      client_data: encode(answer.clientDataJSON),
      authenticator_data: encode(answer.getAuthenticatorData()),
      public_key: encode(answer.getPublicKey()),
      algorithm: String(answer.getPublicKeyAlgorithm()),
    });
  };

  const complain = (form, text) => {
    form.querySelector(".passkey-problem")?.remove();
    const notice = document.createElement("div");
    const sentence = document.createElement("p");
    notice.className = "passkey-problem notice bad";
    notice.setAttribute("role", "alert");
    sentence.textContent = text;
    notice.append(sentence);
    form.prepend(notice);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-passkey-button]");
    if (!button) return;
    const form = button.form;
    for (const name of ["name", "email"]) {
      const field = form.elements[name];
      if (field?.required && !field.reportValidity()) return;
    }
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.dataset.challenge, { credentials: "same-origin" });
      if (!answer.ok) throw new Error("no challenge");
      const challenge = await answer.json();
      await (form.dataset.passkey === "create" ? create : get)(form, challenge);
      form.submit();
    } catch (error) {
      const known = error.name === "InvalidStateError";
      complain(form, known ? "This device has a passkey here already." : "No passkey was used. Try again, or use your password.");
    } finally {
      button.removeAttribute("aria-busy");
    }
  });

  const show = () => {
    for (const part of document.querySelectorAll("[data-passkey-only]")) part.hidden = false;
  };
  document.addEventListener("DOMContentLoaded", show);
  if (document.readyState !== "loading") show();
})();
