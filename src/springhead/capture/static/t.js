/* The page script of Springhead: it gives the visitor a first-party cookie (__ss_tk), and reports page views to the
   server that delivers it. It uses no other cookie, no storage and no dependency.

   <script async src="https://crm.example.com/t.js" data-site="TOKEN"></script>

   data-site     the token of the site (getCaptureSettings)
   data-domain   optional: share the cookie with all hosts below this domain, such as "example.com"
   data-signals  optional: "ignore" reports visitors who send Do Not Track or Global Privacy Control too */
(function () {
  "use strict";
  var script = document.currentScript || document.querySelector("script[data-site][src*='/t.js']");
  var options = script && script.dataset;
  var done = (window.__springhead = window.__springhead || {});
  if (!options || !options.site || done[options.site] || !/^https?:$/.test(location.protocol)) return;
  done[options.site] = true;

  var signals = navigator.globalPrivacyControl === true || /^(1|yes)$/.test(navigator.doNotTrack || window.doNotTrack);
  if (signals && options.signals !== "ignore") return;

  function kept() {
    var found = /(?:^|;\s*)__ss_tk=([^;]*)/.exec(document.cookie);
    if (!found) return "";
    try {
      return decodeURIComponent(found[1]);
    } catch (_) {
      return found[1];
    }
  }

  // An existing value is kept. Without cookies there is no tracking and no report.
  function visitor() {
    var value = kept();
    if (/^[!-~]{16,255}$/.test(value)) return value;
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    value = "";
    for (var i = 0; i < bytes.length; i++) value += (bytes[i] + 256).toString(16).slice(1);
    document.cookie =
      "__ss_tk=" + value + "; Path=/; Max-Age=34128000; SameSite=Lax" +
      (options.domain ? "; Domain=" + options.domain : "") +
      (location.protocol === "https:" ? "; Secure" : "");
    return kept() === value ? value : "";
  }

  var target = new URL("t", script.src).href;
  var last = "";
  var before = document.referrer;

  function report() {
    var url = location.href.split("#")[0];
    var name = url !== last && visitor();
    if (!name) return;
    var page = { site: options.site, visitor: name, url: cut(url, 2000), title: cut(document.title, 300) };
    page.referrer = cut(before, 2000);
    before = last = url;
    var text = JSON.stringify(page);
    if (navigator.sendBeacon && navigator.sendBeacon(target, text)) return;
    fetch(target, { method: "POST", body: text, keepalive: true, mode: "no-cors" }).catch(function () {});
  }

  // Does not cut a surrogate pair.
  function cut(text, longest) {
    text = text.slice(0, longest).replace(/[\ud800-\udbff]$/, "");
    return text.toWellFormed ? text.toWellFormed() : text;
  }

  // Pages that change their address by script set the title a moment later.
  function later() {
    setTimeout(report, 100);
  }
  ["pushState", "replaceState"].forEach(function (name) {
    var original = history[name];
    history[name] = function () {
      var result = original.apply(this, arguments);
      later();
      return result;
    };
  });
  addEventListener("popstate", later);
  addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    last = "";
    report();
  });

  function begin() {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", report);
    else report();
  }
  // A prerendered page is reported when the visitor sees it.
  if (document.prerendering) document.addEventListener("prerenderingchange", begin, { once: true });
  else begin();
})();
