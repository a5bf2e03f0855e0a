// Security keys (WebAuthn): enrolled, and asked to sign. Without them or without a script, the pages work all the same.
"use strict";

(() => {
  if (!window.PublicKeyCredential) return;

  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
  };
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function fromJson(options) {
    const made = { ...options, challenge: bytes(options.challenge) };
    if (options.user) made.user = { ...options.user, id: bytes(options.user.id) };
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      if (options[list]) made[list] = options[list].map((one) => ({ ...one, id: bytes(one.id) }));
    }
    return made;
  }

  function toJson(credential) {
    const { response } = credential;
    const said = { clientDataJSON: text(response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[part]) said[part] = text(response[part]);
    }
    return {
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response: said,
      clientExtensionResults: credential.getClientExtensionResults(),
    };
  }

  async function post(path, body, pageToken) {
    const headers = { "Content-Type": "application/json" };
    if (pageToken) headers["X-Page-Token"] = pageToken;
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
    const said = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.detail), { code: said.code });
    return said;
  }

  const sign = async (asked) => toJson(await navigator.credentials.get({ publicKey: fromJson(asked.options.publicKey) }));

  function guarded(place, act) {
    return async (event) => {
      event.preventDefault();
      const wrong = place.querySelector("[data-key-wrong]");
      wrong.hidden = true;
      try {
        await act();
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
      }
    };
  }

  for (const button of document.querySelectorAll("button[data-key=sign-in]")) {
    const { form } = button;
    button.hidden = false;
    const help = form.querySelector("[data-key-help]");
    if (help) help.hidden = false;
    button.addEventListener("click", guarded(form, async () => {
      const asked = await post("/api/v1/sessions/key/challenge", { name: form.elements.name.value });
      form.elements.answer.value = JSON.stringify(await sign(asked));
      form.elements.challenge.value = asked.challenge;
      form.action = form.dataset.keyAction;
      form.submit();
    }));
  }

  for (const button of document.querySelectorAll("button[data-key=prove]")) {
    const { form } = button;
    button.hidden = false;
    button.addEventListener("click", guarded(form, async () => {
      const asked = await post("/api/v1/session/challenge", {}, form.elements.page_token.value);
      form.elements.proof_answer.value = JSON.stringify(await sign(asked));
      form.elements.proof_challenge.value = asked.challenge;
      form.submit();
    }));
  }

  for (const form of document.querySelectorAll("form[data-key=enrol]")) {
    const pageToken = document.getElementById("account").dataset.pageToken;
    form.hidden = false;
    form.addEventListener("submit", guarded(form, async () => {
      const asked = await post("/api/v1/account/keys/challenge", {}, pageToken);
      const made = await navigator.credentials.create({ publicKey: fromJson(asked.options.publicKey) });
      const label = form.elements.label.value;
      await post("/api/v1/account/keys", { challenge: asked.challenge, answer: toJson(made), label }, pageToken);
      location.assign("/account");
    }));
  }

  for (const form of document.querySelectorAll("form[data-key=approve]")) {
    const { subject, pageToken } = form.dataset;
    form.addEventListener("submit", guarded(form, async () => {
      try {
        const asked = await post("/api/v1/approvals/challenge", JSON.parse(subject), pageToken);
        form.elements.answer.value = JSON.stringify(await sign(asked));
        form.elements.challenge.value = asked.challenge;
      } catch (error) {
        if (!["proof_too_old", "second_factor_needed"].includes(error.code)) throw error;
      }
      form.submit(); // without a signature, one is asked for the second factor first, and keeps what was typed
    }));
  }
})();
