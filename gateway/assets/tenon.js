// What script adds to the pages: copying, submitting the SAML POST page, switching the theme at once, following
// what arrives.
// Every page works without it. It builds no HTML from strings (Trusted Types are required and none is defined).
"use strict";

const root = document.documentElement;
root.classList.add("script");

/** `<button data-copy="id">`: copies the text of that element; the button says "Copied" for two seconds. */
function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const said = button.querySelector("[role=status]");
  const done = () => {
    const label = button.firstElementChild;
    const before = label.textContent;
    label.textContent = "Copied";
    if (said) said.textContent = "Copied";
    setTimeout(() => {
      label.textContent = before;
      if (said) said.textContent = "";
    }, 2000);
  };
  const select = () => getSelection().selectAllChildren(source);
  if (navigator.clipboard) navigator.clipboard.writeText(source.textContent.trim()).then(done, select);
  else select();
}

/** The footer's switch. The cookie decides what `/assets/theme.css` says from the next page on. */
function switchTheme(event) {
  const button = event.submitter;
  if (!button) return;
  event.preventDefault();
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
  document.cookie = `${prefix}theme=${button.value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  root.className = `script theme-${button.value}`;
  showTheme();
}

function showTheme() {
  const chosen = /(?:^|; )(?:__Host-)?theme=(auto|light|dark)/.exec(document.cookie)?.[1] ?? "auto";
  for (const button of document.querySelectorAll(".theme button")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
}

/** `data-follow="/path" data-seen="7"`: reloads once the path answers something else, unless somebody reads. */
function follow({ dataset }) {
  setInterval(async () => {
    if (document.hidden || document.querySelector("details[open]")) return;
    const answer = await fetch(dataset.follow).catch(() => null);
    if (answer?.ok && (await answer.text()) !== dataset.seen) location.reload();
  }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
for (const form of document.querySelectorAll("form.theme")) form.addEventListener("submit", switchTheme);
for (const element of document.querySelectorAll("[data-follow]")) follow(element);
showTheme();

// A page with this attribute is a mere stop on the way (SAML Bindings 3.5.4).
document.querySelector("form[data-submit-now]")?.submit();
