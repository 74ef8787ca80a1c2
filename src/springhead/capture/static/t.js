/* The page script of Springhead. It sets a first-party cookie (__ss_tk) for the visitor, and reports page views to the
   server that it comes from. It uses no other cookie, no storage and no dependency.

   <script async src="https://crm.example.com/t.js" data-site="TOKEN"></script>

   data-site     the token of the site (getCaptureSettings)
   data-domain   optional: share the cookie with all hosts below this domain, such as "example.com"
   data-signals  optional: "ignore" also reports visitors who send Do Not Track or Global Privacy Control

   Tag managers may remove these attributes. Then use the script's address, t.js?site=TOKEN&domain=example.com, or set
   window.springhead = {site: "TOKEN", domain: "example.com"} before the script runs. */
(function () {
  "use strict";
  var script =
    document.currentScript || document.querySelector("script[data-site][src*='/t.js'], script[src*='/t.js?site=']") ||
    document.querySelector("script[src$='/t.js']");
  if (!script || !/^https?:/.test(script.src) || !/^https?:$/.test(location.protocol)) return;

  function option(name) {
    var settings = window.springhead;
    var own = settings && Object.prototype.hasOwnProperty.call(settings, name) ? settings[name] : "";
    return script.dataset[name] || new URL(script.src).searchParams.get(name) || String(own || "");
  }
  var site = option("site");
  var domain = option("domain");
  var started = (window.__springhead = window.__springhead || {});
  if (!site) return console.warn("The page script records nothing, because it has no data-site: " + script.src);
  if (started[site]) return;
  started[site] = true;

  var signals = navigator.globalPrivacyControl === true || /^(1|yes)$/.test(navigator.doNotTrack || window.doNotTrack);
  if (signals && option("signals") !== "ignore") return;

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
      (domain ? "; Domain=" + domain : "") +
      (location.protocol === "https:" ? "; Secure" : "");
    return cookieValue() === value ? value : "";
  }

  var target = new URL("t", script.src).href;
  var lastUrl = "";
  var referrer = document.referrer;
  var waiting = null; // a view of a page whose title may still change

  // The part after # is left out, unless it is a route of the page, such as #/products or #!/products.
  function address() {
    return /^#!?\//.test(location.hash) ? location.href : location.href.split("#")[0];
  }

  function report() {
    var url = address();
    if (url === lastUrl) return;
    send(url, referrer);
    referrer = lastUrl = url;
  }

  function send(url, from) {
    var visitor = trackingId();
    if (!visitor) return;
    var page = { site: site, visitor: visitor, url: cut(url, 2000), title: cut(document.title, 300) };
    page.referrer = cut(from, 2000);
    var text = JSON.stringify(page);
    if (navigator.sendBeacon && navigator.sendBeacon(target, text)) return;
    fetch(target, { method: "POST", body: text, keepalive: true, mode: "no-cors" }).catch(function () {});
  }

  // Cuts no surrogate pair in half.
  function cut(text, maxLength) {
    text = text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
    return text.toWellFormed ? text.toWellFormed() : text;
  }

  // Pages that change their address by script set the title later, perhaps in several steps. The view waits up to a
  // second for a change of the title, and then until the title stays the same for 0.2 s, at most 3 s.
  function reportSoon() {
    var url = address();
    if (url === lastUrl) return;
    if (waiting && waiting.mayRedirect) {
      waiting.url = referrer = lastUrl = url;
      return;
    }
    reportWaiting();
    var now = Date.now();
    var view = { url: url, from: referrer, title: document.title, since: now, due: now + 1000, mayRedirect: true };
    waiting = view;
    referrer = lastUrl = url;
    view.timer = setInterval(watchTitle, 50);
    setTimeout(function () {
      view.mayRedirect = false;
    }, 100);
  }

  function watchTitle() {
    var now = Date.now();
    if (waiting.title !== document.title) {
      waiting.title = document.title;
      waiting.due = Math.min(now + 200, waiting.since + 3000);
    }
    if (now >= waiting.due) reportWaiting();
  }

  function reportWaiting() {
    if (!waiting) return;
    var view = waiting;
    waiting = null;
    clearInterval(view.timer);
    send(view.url, view.from);
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
  addEventListener("hashchange", reportSoon);
  addEventListener("pagehide", reportWaiting);
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "hidden") reportWaiting();
  });
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
