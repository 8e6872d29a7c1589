package machine

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
)

// Machine is what a measurement depends on besides the program. Empty fields
// are unknown. It is a plain value: safe for concurrent use.
type Machine struct {
	Go         string        `json:"go"`
	OS         string        `json:"os"`
	Arch       string        `json:"arch"`
	Kernel     string        `json:"kernel,omitempty"`
	CPU        string        `json:"cpu,omitempty"`
	CPUs       int           `json:"cpus"`
	MaxProcs   int           `json:"gomaxprocs"`
	Dir        string        `json:"dir"`                  // where the data was written
	FileSystem string        `json:"filesystem,omitempty"` // of Dir
	Fsync      time.Duration `json:"fsync_ns"`             // median, of 4 KiB written over
	Commit     string        `json:"commit,omitempty"`     // of this program, "+" if it was changed
}

// InMemory says that the file system keeps nothing: an fsync there is free and
// means nothing.
func (m Machine) InMemory() bool {
	return m.FileSystem == "tmpfs" || m.FileSystem == "ramfs"
}

// Describe describes the machine and measures fsync in dir, which must exist
// and be writable.
func Describe(ctx context.Context, dir string) (Machine, error) {
	fsync, err := medianFsync(ctx, dir)
	if err != nil {
		return Machine{}, err
	}
	return Machine{
		Go:         runtime.Version(),
		OS:         runtime.GOOS,
		Arch:       runtime.GOARCH,
		Kernel:     firstLine("/proc/sys/kernel/osrelease"),
		CPU:        cpuModel("/proc/cpuinfo"),
		CPUs:       runtime.NumCPU(),
		MaxProcs:   runtime.GOMAXPROCS(0),
		Dir:        dir,
		FileSystem: FileSystem(dir),
		Fsync:      fsync,
		Commit:     commit(ctx),
	}, nil
}

// medianFsync writes the same 4 KiB of a file again and again, and syncs each
// time. The file does not grow, so this is about the least that durability can
// cost in dir.
func medianFsync(ctx context.Context, dir string) (d time.Duration, err error) {
	const rounds = 51
	f, err := os.CreateTemp(dir, "fsync-*.tmp")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4096)
	var h hist.Histogram
	for i := range rounds + 1 {
		if err := ctx.Err(); err != nil {
			return 0, context.Cause(ctx)
		}
		block[0] = byte(i)
		begin := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		if i > 0 { // the first one makes the file larger
			h.Record(time.Since(begin))
		}
	}
	return h.Quantile(0.5), nil
}

func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// cpuModel finds the model in a file like Linux's /proc/cpuinfo.
func cpuModel(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		switch strings.TrimSpace(key) {
		case "model name", "Model", "cpu model":
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit is the revision that the build recorded, or, because go run records
// none, that of the working directory.
func commit(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		var revision, changed string
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = "+"
			}
		}
		if revision != "" {
			return short(revision) + changed
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	revision, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return ""
	}
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changes) > 0 {
		return short(string(revision)) + "+"
	}
	return short(string(revision))
}

func short(revision string) string {
	revision = strings.TrimSpace(revision)
	return revision[:min(12, len(revision))]
}
