import { useRoute } from "vitepress";
import theme from "vitepress/theme";
import { nextTick, onMounted, watch } from "vue";
import "./style.css";

/** The home page has no main landmark in VitePress's theme; pages with one keep it. */
function markMain(): void {
  const content = document.querySelector("#VPContent");
  if (!content) return;
  if (content.querySelector("main")) content.removeAttribute("role");
  else content.setAttribute("role", "main");
}

export default {
  extends: theme,
  setup() {
    const route = useRoute();
    onMounted(markMain);
    watch(
      () => route.component,
      () => nextTick(markMain),
    );
  },
};
