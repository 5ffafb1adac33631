// A page that is served: when there is a newer one it is loaded, and what was chosen stays.
(() => {
  if (!document.documentElement.dataset.follow) return;
  const inputs = [...document.querySelectorAll("form input, form select")];
  const known = JSON.parse(sessionStorage.getItem("filter") ?? "[]");
  known.forEach((value, i) => {
    if (inputs[i]) inputs[i].value = value;
  });
  for (const form of document.forms) form.dispatchEvent(new Event("input"));
  const seen = fetch("state").then((answer) => answer.text());
  setInterval(async () => {
    const now = await fetch("state").then((answer) => answer.text()).catch(() => null);
    if (now === null || now === (await seen)) return;
    sessionStorage.setItem("filter", JSON.stringify(inputs.map((input) => input.value)));
    location.reload();
  }, 3000);
})();
