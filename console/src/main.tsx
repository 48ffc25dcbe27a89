import { createRoot } from "react-dom/client";
import { Console } from "./Console";
import "./console.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element with the id root");
createRoot(root).render(<Console />);
