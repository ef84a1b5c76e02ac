// The shell script that makes a container's root directory and starts its program there: a mount namespace of its own, this machine's files
// below and a read-only layer of the image's above, secrets in memory, a user without rights. What Docker does with images, done with
// util-linux and this machine's own programs. Not here: which containers there are (compose.mjs), when they run (container.mjs).

import { join } from "node:path";

/** Users as the images know them; a machine may have others, or none, with these numbers. */
const USERS = [
  ["root", 0, "/root"],
  ["www-data", 33, "/var/www"],
  ["postgres", 999, "/var/lib/postgresql"],
  ["fanfare", 10001, "/var/lib/fanfare"],
];

/** The directories of this machine that an image's files lie over. */
const LAYERED = ["/usr", "/etc"];

/** Where programs are looked for, as in Debian's images. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A text as one word of the shell. */
export function quoted(text) {
  return `'${String(text).replaceAll("'", `'\\''`)}'`;
}

/** `/var/run` is `/run` everywhere; followed here, since from outside it would lead to this machine's own. */
function inside(path) {
  return path.replace(/^\/var\/run(?=\/|$)/, "/run");
}

/**
 * The script. `base`: a directory to mount all of it on; `files`: what is copied into it, `[{from, target}]`; `binds`: the same, shown and not
 * copied, with `directory` true where it is one; `volumes`: what may be written, `secrets`, both `[{from, target}]`; `hosts`: a file;
 * `extraPath`: where programs are looked for, too; null is nowhere else.
 */
export function rootScript({
  container,
  base,
  command,
  environment,
  files,
  binds,
  volumes,
  secrets,
  hosts,
  asRoot,
  extraPath,
}) {
  const [uid, gid = uid] = container.user.split(":");
  const at = (path) => `"$root"${quoted(inside(path))}`;
  // What lies over this machine's own directories is put into the layer before that is laid: without root nobody may change them then.
  const before = (path) =>
    LAYERED.some((layer) => path.startsWith(`${layer}/`)) ? `"$base/upper"${quoted(path)}` : at(path);
  const own = (path) => (asRoot ? `chown ${uid}:${gid} ${path}` : ":");
  const above = (path) => `mkdir -p ${before(join(path, ".."))}`;
  const lines = [
    "set -eu; umask 022",
    `base=${quoted(base)} root=${quoted(join(base, "root"))}`,
    'mount -t tmpfs -o mode=0755 tmpfs "$base"; mkdir "$root"; mount -t tmpfs -o mode=0755 tmpfs "$root"',
    ...LAYERED.map((path) => `mkdir -p "$base/upper${path}" "$base/work${path}" "$root${path}"`),
    ...["/proc", "/dev", "/sys", "/tmp", "/run/secrets"].map((path) => `mkdir -p ${at(path)}`),
    'mkdir "$root/var"; ln -s /run "$root/var/run"',
    `mkdir -p ${before(container.workdir)}; ${own(before(container.workdir))}`,
    `cat ${quoted(hosts)} >${before("/etc/hosts")}`,
    ...["passwd", "group"].map((file) => `printf '%s\\n' ${usersFor(file)} >${before(`/etc/${file}`)}`),
    ...files.map(
      ({ from, target }) =>
        `${above(target)}; cp -rL ${quoted(from)} ${before(target.replace(/\/$/, ""))}; chmod -R a+rX ${before(target)}`,
    ),
    ...binds.map(({ target, directory }) =>
      directory ? `mkdir -p ${before(target)}` : `${above(target)}; : >${before(target)}`,
    ),
    // Not all of / at once: without root it has mounts in it that may not be left out.
    ...LAYERED.map(
      (path) =>
        `mount -t overlay overlay -o "lowerdir=${path},upperdir=$base/upper${path},workdir=$base/work${path}${asRoot ? "" : ",userxattr"}" "$root${path}"`,
    ),
    'for each in /bin /sbin /lib /lib32 /lib64; do if [ -L "$each" ]; then cp -P "$each" "$root$each"; elif [ -d "$each" ]; then mkdir "$root$each"; mount --bind "$each" "$root$each"; fi; done',
    ...["/proc", "/dev", "/sys"].map((path) => `mount --rbind ${path} ${at(path)}`),
    ...binds.map(
      ({ from, target }) =>
        // Without root it keeps what its own file system says, which may be more than this asks for.
        `mount --bind ${quoted(from)} ${at(target)}; mount -o remount,bind,ro ${at(target)}${asRoot ? "" : " 2>/dev/null || true"}`,
    ),
    ...secrets.map(
      ({ from, target }) =>
        `mkdir -p ${at(join(target, ".."))}; cat ${quoted(from)} >${at(target)}; chmod 0400 ${at(target)}; ${own(at(target))}`,
    ),
    ...volumes.map(
      ({ from, target }) =>
        `mkdir -p ${at(target)}; ${own(quoted(from))}; mount --bind ${quoted(from)} ${at(target)}`,
    ),
  ];
  for (const { path, options } of container.tmpfs) {
    const { uid: owner, gid: group, ...rest } = options;
    const kept = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
    if (asRoot && owner !== undefined) kept.push(`uid=${owner}`, `gid=${group}`);
    lines.push(`mkdir -p ${at(path)}; mount -t tmpfs -o ${kept.join(",")} tmpfs ${at(path)}`);
  }
  lines.push('mkdir "$root/.before"');
  if (container.readOnly)
    lines.push(...["", ...LAYERED].map((path) => `mount -o remount,bind,ro "$root${path}"`));
  const { soft = 65_536, hard = soft } = container.files ?? {};
  lines.push(
    // As many as compose says where that is allowed, else as many as there may be.
    `ulimit -Hn ${hard} 2>/dev/null || true; ulimit -Sn ${soft} 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"`,
    // In front of the change of roots: what is open then, stays.
    `cd "$root"; pivot_root . .before; umount -l .before; cd ${quoted(container.workdir)}`,
  );
  const pairs = Object.entries({
    PATH: extraPath ? `${extraPath}:${PATH}` : PATH,
    HOME: "/",
    LANG: "C.UTF-8",
    ...environment,
  });
  const words = [
    ...asUser(container, asRoot),
    // Whoever started it all may be killed, too.
    "--pdeathsig=TERM",
    "env",
    "-i",
    ...pairs.map(([name, value]) => `${name}=${value}`),
    ...command,
  ];
  lines.push(`exec ${words.map(quoted).join(" ")}`);
  return `${lines.join("\n")}\n`;
}

/** What takes all rights from a program, as `user`, `cap_drop` and `no-new-privileges` do. */
export function asUser(container, asRoot) {
  const [uid, gid = uid] = container.user.split(":");
  // In a namespace of users where it is whom it was, with rights until here.
  if (!asRoot)
    return ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"];
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    ...(container.noRights ? ["--inh-caps=-all", "--bounding-set=-all"] : []),
    ...(container.noNewPrivileges ? ["--no-new-privs"] : []),
  ];
}

function usersFor(file) {
  const own = process.getuid();
  const all = USERS.some(([, id]) => id === own) ? USERS : [...USERS, ["owner", own, "/"]];
  const line =
    file === "passwd"
      ? ([name, id, home]) => `${name}:x:${id}:${id}:${name}:${home}:/bin/sh`
      : ([name, id]) => `${name}:x:${id}:`;
  return all.map((user) => quoted(line(user))).join(" ");
}
