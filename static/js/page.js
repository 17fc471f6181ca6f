// The permanent link to a page: it opens at the words that are lit.
import { light } from "./viewer.js";

const viewer = document.querySelector(".viewer");
if (viewer) light(viewer, null);
