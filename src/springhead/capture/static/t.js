/* The page script of Springhead. It sets a first-party cookie (__ss_tk) for the visitor, and reports page views to the
   server that it comes from. It uses no other cookie, no storage and no dependency.

   <script async src="https://crm.example.com/t.js" data-site="TOKEN"></script>

   data-site     the token of the site (getCaptureSettings)
   data-domain   optional: share the cookie with all hosts below this domain, such as "example.com"
   data-signals  optional: "ignore" also reports visitors who send Do Not Track or Global Privacy Control */
(function () {
  "use strict";
  var script = document.currentScript || document.querySelector("script[data-site][src*='/t.js']");
  var options = script && script.dataset;
  var started = (window.__springhead = window.__springhead || {});
  if (!options || !options.site || started[options.site] || !/^https?:$/.test(location.protocol)) return;
  started[options.site] = true;

  var signals = navigator.globalPrivacyControl === true || /^(1|yes)$/.test(navigator.doNotTrack || window.doNotTrack);
  if (signals && options.signals !== "ignore") return;

  function cookieValue() {
    var match = /(?:^|;\s*)__ss_tk=([^;]*)/.exec(document.cookie);
    if (!match) return "";
    try {
      return decodeURIComponent(match[1]);
    } catch (_) {
      return match[1];
    }
  }

  // An existing value stays. Without cookies there is no tracking and no report.
  function trackingId() {
    var value = cookieValue();
    if (/^[!-~]{16,255}$/.test(value)) return value;
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    value = "";
    for (var i = 0; i < bytes.length; i++) value += (bytes[i] + 256).toString(16).slice(1);
    document.cookie =
      "__ss_tk=" + value + "; Path=/; Max-Age=34128000; SameSite=Lax" +
      (options.domain ? "; Domain=" + options.domain : "") +
      (location.protocol === "https:" ? "; Secure" : "");
    return cookieValue() === value ? value : "";
  }

  var target = new URL("t", script.src).href;
  var lastUrl = "";
  var referrer = document.referrer;

  function report() {
    var url = location.href.split("#")[0];
    var visitor = url !== lastUrl && trackingId();
    if (!visitor) return;
    var page = { site: options.site, visitor: visitor, url: cut(url, 2000), title: cut(document.title, 300) };
    page.referrer = cut(referrer, 2000);
    referrer = lastUrl = url;
    var text = JSON.stringify(page);
    if (navigator.sendBeacon && navigator.sendBeacon(target, text)) return;
    fetch(target, { method: "POST", body: text, keepalive: true, mode: "no-cors" }).catch(function () {});
  }

  // Cuts no surrogate pair in half.
  function cut(text, maxLength) {
    text = text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
    return text.toWellFormed ? text.toWellFormed() : text;
  }

  // Pages that change their address by script set the title a moment later.
  function reportSoon() {
    setTimeout(report, 100);
  }
  ["pushState", "replaceState"].forEach(function (name) {
    var original = history[name];
    history[name] = function () {
      var result = original.apply(this, arguments);
      reportSoon();
      return result;
    };
  });
  addEventListener("popstate", reportSoon);
  addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    lastUrl = "";
    report();
  });

  // A plain form that posts to this server sends it no cookie and only the host of its page: both go with the inputs.
  addEventListener("formdata", function (event) {
    var action = new URL(event.target.getAttribute("action") || "", document.baseURI).href;
    if (action.indexOf(new URL("f/", script.src).href)) return;
    var inputs = { _page: cut(location.href.split("#")[0], 2000), trackingid__sb: trackingId() };
    for (var name in inputs) if (inputs[name] && !event.formData.has(name)) event.formData.set(name, inputs[name]);
  });

  function start() {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", report);
    else report();
  }
  // A prerendered page is reported when the visitor sees it.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
