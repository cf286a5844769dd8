/* A page that is opened from a disk must not start workers, which the search needs. In their place a script runs in a
   hidden frame, with the same messages. Pages from a server are left alone. */
(() => {
  if (location.protocol !== "file:") return
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      this.onmessage = null
      this.waiting = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.title = "search"
      document.body.appendChild(this.frame)
      const inner = this.frame.contentWindow
      const worker = this
      const document_ = this.frame.contentDocument
      inner.postMessage = data => setTimeout(() => worker.receive(data))
      inner.importScripts = (...urls) => urls.reduce(
        (before, one) => before.then(() => load(new URL(one, url).href)), Promise.resolve())
      const load = src => new Promise((resolve, reject) => {
        const script = document_.createElement("script")
        script.src = src
        script.onload = resolve
        script.onerror = reject
        document_.head.appendChild(script)
      })
      load(url).then(() => {
        this.ready = true
        this.waiting.forEach(data => this.send(data))
      }, error => this.dispatchEvent(new ErrorEvent("error", { error })))
    }
    receive(data) {
      const event = new MessageEvent("message", { data })
      if (this.onmessage) this.onmessage(event)
      this.dispatchEvent(event)
    }
    send(data) {
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }
    postMessage(data) {
      if (this.ready) setTimeout(() => this.send(data))
      else this.waiting.push(data)
    }
    terminate() {
      this.frame.remove()
    }
  }
})()
