// /js/fanfare-bell.js: defines <fanfare-bell> and <fanfare-notification-preferences>, and `FanfareInbox` for pages that show an inbox of
// their own making. The hub is where this script came from.

import * as inbox from "../../inbox/src/index.js";
import "../../inbox/src/elements/define.js";

interface Page {
  FanfareInbox?: typeof inbox;
}

const page = globalThis as Page;
page.FanfareInbox ??= inbox;
