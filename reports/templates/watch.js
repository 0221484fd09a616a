// a page from a file may fetch nothing, but it may run a script that lies beside it
const version = {{ version|tojson }};

// called by version.js
function newer(found) {
  document.getElementById("newer").hidden = found === version;
}

function look() {
  const script = document.createElement("script");
  script.src = `version.js?${Date.now()}`;
  script.onload = script.onerror = () => script.remove();
  document.head.append(script);
}

setInterval(() => { if (!document.hidden) look(); }, 15000);
document.getElementById("reload").addEventListener("click", () => location.reload());
