//! The system calls the standard library has no name for: a clock shared between processes, the CPU clock of another process, the limit of
//! open files, priorities, options of sockets, and asking a process to end. The only module of this crate with `unsafe`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::time::Duration;

fn read_clock(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to a writable `timespec`, which the call fills when it returns 0.
    let code = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned 0, so the value is initialised.
    let time = unsafe { time.assume_init() };
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share, so that a time stamped in one can be read in another.
pub(crate) fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC).map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// CPU time (user and system) a process has used, in nanoseconds of the scheduler's own account: every thread counts, those that have
/// ended too, and unlike `/proc/PID/stat` nothing is rounded to ticks.
pub(crate) fn process_cpu(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a writable `clockid_t` on this frame.
    let code = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    read_clock(clock)
}

/// Sends a process SIGTERM.
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    send(pid, libc::SIGTERM)
}

/// Sends a process SIGKILL and does not wait for its end.
pub(crate) fn kill(pid: u32) -> io::Result<()> {
    send(pid, libc::SIGKILL)
}

fn send(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the call takes numbers only.
    if unsafe { libc::kill(pid, signal) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets a socket that is bound to an address get its port at the connect, when the other side is known: then one port serves connections
/// to many servers.
pub(crate) fn choose_port_at_connect(socket: RawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to an integer on this frame, and the size is its own.
    let code = unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size,
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes reads of an open file answer at once.
pub(crate) fn do_not_block(file: RawFd) -> io::Result<()> {
    // SAFETY: the calls take numbers only.
    let code = unsafe {
        let flags = libc::fcntl(file, libc::F_GETFL);
        if flags < 0 { flags } else { libc::fcntl(file, libc::F_SETFL, flags | libc::O_NONBLOCK) }
    };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the nice value of a thread, 0 for the calling one; a lower one than now needs a right that not everybody has. On Linux it is a
/// thread's own, and a process is known by the id of its first thread.
pub(crate) fn be_nice(thread: u32, value: i32) -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    let code = unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, value) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the soft limit of open files to the hard one and returns it.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointer is to a writable `rlimit`, which the call fills when it returns 0.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned 0, so the value is initialised.
    let mut limit = unsafe { limit.assume_init() };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to an initialised `rlimit` that outlives the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_clock_of_a_process_counts_threads_that_have_ended() {
        let pid = std::process::id();
        let before = process_cpu(pid).unwrap();
        std::thread::spawn(|| {
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_millis(30) {
                std::hint::black_box(0);
            }
        })
        .join()
        .unwrap();
        assert!(process_cpu(pid).unwrap() - before > Duration::from_millis(1));
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_clock() {
        // One above the largest process id Linux hands out.
        assert!(process_cpu((1 << 22) + 1).is_err());
    }

    #[test]
    fn the_shared_clock_runs_forward_and_the_file_limit_is_known() {
        assert!(monotonic_ns() <= monotonic_ns());
        assert!(raise_open_files().unwrap() > 0);
    }
}
