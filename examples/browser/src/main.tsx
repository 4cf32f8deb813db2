import { render } from "preact";
import { App } from "./app.tsx";
import { startLaboratory } from "./laboratory/connect.ts";
import { registerServiceWorker } from "./offline.ts";
import "./style.css";

render(<App laboratory={startLaboratory()} />, document.getElementById("app")!);
registerServiceWorker();
