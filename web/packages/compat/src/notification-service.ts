// /js/notification-service.js: the global `NotificationService`. Nothing else happens when it is loaded.

import { NotificationService } from "./task-notifications.js";

Object.assign(globalThis, { NotificationService });
