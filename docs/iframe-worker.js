// A page that is opened as a file may start no worker, so the site's search runs in a hidden frame there. Its name tells
// Material's plugin `offline` that the script which it would load from the net is not needed.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inner = frame.contentWindow;
      inner.document.open();
      inner.document.write(
        "<script>" +
          "postMessage = parent.postMessage.bind(parent);" +
          "importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {" +
          "const script = document.createElement('script'); script.src = url; script.onload = done;" +
          "document.head.appendChild(script); })), Promise.resolve());" +
          "<\/script><script src='" + new URL(url, location) + "'><\/script>",
      );
      inner.document.close();
      this.loaded = new Promise((done) => (frame.onload = done));
      this.inner = inner;
      window.addEventListener("message", (event) => {
        if (event.source !== inner) return;
        event.stopImmediatePropagation();
        const told = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(told);
        if (this.onmessage) this.onmessage(told);
      });
    }

    postMessage(data) {
      this.loaded.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
