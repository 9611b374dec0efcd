// Thumbnails of crops: asked for in batches, the ones in sight first, and kept while there is room.

import { address } from "../../js/api.js";

const BATCH = 48, AT_ONCE = 3, KEPT = 4000, PAUSE = 40; // crops, requests, thumbnails, milliseconds

/** The thumbnails of a faceset; `shown(file, url)` is called once one is there, with "" where it cannot be. */
export function thumbnailsOf(place, shown) {
  const urls = new Map(); // file -> address of its picture, the ones used last at the end
  const asked = new Set();
  let wanted = [], open = 0, timer = 0, ended = false;

  function want(files) {
    wanted = files;
    clearTimeout(timer);
    timer = setTimeout(next, PAUSE);
  }

  function next() {
    while (open < AT_ONCE && !ended) {
      const batch = wanted.filter((file) => !urls.has(file) && !asked.has(file)).slice(0, BATCH);
      if (!batch.length) return;
      open += 1;
      for (const file of batch) asked.add(file);
      load(batch).catch(() => null).then((parts) => {
        open -= 1;
        for (const [number, file] of batch.entries()) {
          asked.delete(file);
          if (!ended) keep(file, parts?.[number] ? URL.createObjectURL(parts[number]) : "");
        }
        next();
      });
    }
  }

  async function load(files) {
    const answer = await fetch(address("/facesets/thumbnails", { place, file: files }));
    if (!answer.ok) return null;
    const data = await answer.arrayBuffer(), view = new DataView(data), parts = [];
    for (let at = 0; at < data.byteLength;) {
      const length = view.getUint32(at, true);
      parts.push(length ? new Blob([data.slice(at + 4, at + 4 + length)], { type: "image/jpeg" }) : null);
      at += 4 + length;
    }
    return parts;
  }

  function keep(file, url) {
    urls.set(file, url);
    shown(file, url);
    if (urls.size <= KEPT) return;
    const near = new Set(wanted);
    for (const [old, address] of urls) {
      if (urls.size <= 0.9 * KEPT) break;
      if (near.has(old)) continue;
      URL.revokeObjectURL(address);
      urls.delete(old);
    }
  }

  return {
    want,
    get(file) {
      const url = urls.get(file);
      if (url !== undefined) { urls.delete(file); urls.set(file, url); }
      return url;
    },
    end() {
      ended = true;
      clearTimeout(timer);
      for (const url of urls.values()) if (url) URL.revokeObjectURL(url);
      urls.clear();
    },
  };
}

/** A row of small pictures of these crops, filled once they are there. */
export function strip(place, files, made) {
  const images = new Map(files.map((file) => [file, made(file)]));
  const thumbnails = thumbnailsOf(place, (file, url) => { if (url) images.get(file).src = url; });
  thumbnails.want(files);
  return { images: [...images.values()], end: thumbnails.end };
}
