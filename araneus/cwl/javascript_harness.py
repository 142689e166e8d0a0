"""The JavaScript that surrounds every script: it takes a request, runs the code and gives the answer, all as JSON.

`javascript_worker` evaluates these texts in a new context before a script comes near it. What they need later they
take from the context first, so that no script and no library can put something else in its place. Imports nothing of
Araneus.
"""

import json

NULL = "null was thrown, which is also what happens when no memory is left for an error"

EXPLAIN = """
const {name, message} = thrown instanceof Fault ? thrown : {};
if (message !== undefined) { return text(name) + ": " + text(message); }
if (typeof thrown === "string") { return thrown; }
if (thrown === null || text(thrown) === "[uninitialized]") { return nothing; }
return "thrown " + (typeof thrown === "object" && thrown !== null ? "object " + text(write(thrown)) : text(thrown));
"""
"""The body of the function that describes what was thrown. It is compiled only when something was."""

HARNESS = (
    """
(function () {
  const {parse, stringify} = JSON, Body = Function, finite = Number.isFinite, root = globalThis, text = String;
  const {defineProperty, keys} = Object, promised = Object.prototype.isPrototypeOf.bind(Promise.prototype);
  const Fault = Error, plain = {writable: true, enumerable: true, configurable: true};
  const define = (name, value) => {
    // A library's own ``var self`` cannot be defined anew, but it can be set.
    try { defineProperty(root, name, {__proto__: null, ...plain, value}); } catch (fixed) { root[name] = value; }
  };
  // Node's contexts have a console that says nothing. A clock of this machine has no place in a result.
  const console = {log() {}, info() {}, debug() {}, warn() {}, error() {}, trace() {}, dir() {}, table() {}};
  defineProperty(root, "console", {__proto__: null, ...plain, enumerable: false, value: console});
  delete root.performance;
  const strict = (key, value) => {
    if (typeof value === "number" && !finite(value)) {
      throw new Fault(`the result is or holds ${value}: look at what it is calculated from`);
    }
    return value;
  };
  return (request) => {
    try {
      const {code, variables} = parse(request);
      const names = keys(variables);
      for (let n = 0; n < names.length; n++) { define(names[n], variables[names[n]]); }
      const value = new Body(code)();
      if (promised(value)) { throw new Fault("the result is a Promise; an expression must return its value at once"); }
      return stringify({__proto__: null, value}, strict);
    } catch (thrown) {
      let error = "something that cannot be described was thrown";
      try { error = text(new Body("thrown", "Fault", "text", "write", "nothing", """
    + json.dumps(EXPLAIN)
    + """)(thrown, Fault, text, stringify, """
    + json.dumps(NULL)
    + """)); } catch (ignored) {}
      return stringify({__proto__: null, error});
    }
  };
})()
"""
)

KEPT = (
    """
(function (run) {
  const {freeze, getPrototypeOf, getOwnPropertyDescriptor, defineProperty, isExtensible} = Object;
  const {ownKeys, deleteProperty} = Reflect, root = globalThis, seen = new Set(), waiting = [];
  const add = (thing) => {
    if ((typeof thing === "object" && thing !== null || typeof thing === "function") && !seen.has(thing)) {
      seen.add(thing);
      waiting.push(thing);
    }
  };
  const own = (thing, name, descriptor) => defineProperty(thing, name, {__proto__: null, ...descriptor});
  // An accessor that keeps what was set where freezing does not reach.
  delete Error.prepareStackTrace;
  delete Error.stackTraceLimit;
  // What no name leads to: only syntax or a method makes one.
  for (const thing of [
    function* () {}, async () => {}, async function* () {}, (function* () {})(), (async function* () {})(),
    [][Symbol.iterator](), ""[Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](),
    "".matchAll(/x/g), Iterator.from({next() {}}), [].values().map((x) => x), new Int8Array(), Promise.resolve(),
  ]) { add(getPrototypeOf(thing)); }
  add(getOwnPropertyDescriptor((function () { "use strict"; return arguments; })(), "callee").get);
  seen.add(root);
  add(getPrototypeOf(root));
  for (const name of ownKeys(root)) { add(root[name]); }
  while (waiting.length) {
    const thing = waiting.pop();
    add(getPrototypeOf(thing));
    for (const key of ownKeys(thing)) {
      const {value, get, set} = getOwnPropertyDescriptor(thing, key);
      add(value); add(get); add(set);
    }
  }
  seen.delete(root);
  // A frozen name must not keep the objects below it from having one of their own.
  for (const proto of [Object.prototype, Array.prototype, Function.prototype, Error.prototype]) {
    for (const key of ownKeys(proto)) {
      const found = getOwnPropertyDescriptor(proto, key);
      if (!("value" in found && found.configurable)) { continue; }
      const get = () => found.value;
      const set = function (value) {
        if (this !== proto && (typeof this === "object" || typeof this === "function")) {
          own(this, key, {value, writable: true, enumerable: true, configurable: true});
        }
      };
      own(proto, key, {get: freeze(get), set: freeze(set), enumerable: false, configurable: false});
    }
  }
  for (const thing of seen) { freeze(thing); }
  for (const name of ownKeys(root)) {
    const fixed = "value" in getOwnPropertyDescriptor(root, name) ? {writable: false} : {};
    own(root, name, {configurable: false, ...fixed});
  }
  const known = ownKeys(root).length, parent = getPrototypeOf(root);
  return (request) => {
    const answer = run(request);
    const clean = deleteProperty(root, "inputs") && deleteProperty(root, "self") && deleteProperty(root, "runtime")
      && ownKeys(root).length === known && getPrototypeOf(root) === parent && isExtensible(root);
    return (clean ? "+" : "-") + answer;
  };
})("""
    + HARNESS.strip()
    + ")"
)
"""Like `HARNESS`, for a context that serves more than one script: nothing that comes with the language can be changed,
and what a script adds of its own is seen. Answers begin with ``+``, or with ``-`` when the context is spent."""
