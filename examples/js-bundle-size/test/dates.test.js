import assert from "node:assert";
import { test } from "node:test";
import { format, isLeap } from "../src/index.js";

test("a date is written out", () => assert.equal(format(new Date("2026-03-08")), "8 March 2026"));
test("centuries are leap years now and then", () => assert.deepEqual([1900, 2000, 2024, 2026].map(isLeap), [false, true, true, false]));
