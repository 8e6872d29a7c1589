package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// Every operation of a history is made to fail, in every way a disk can fail.
// From then on the log must refuse, say why, and have told no lie: what it had
// acknowledged is there after a restart and after a power cut.
//
// Planted bugs this was seen to catch: Open believing a directory that nobody had
// synced; no sync of the directory after retiring segments.
func TestEveryOperationFailsOnce(t *testing.T) {
	roomy(t)
	const changes = vfs.OpWriteAt | vfs.OpTruncate | vfs.OpRename | vfs.OpRemove | vfs.OpMkdirAll
	calls := 40
	if form.Long() {
		calls = 150
	}
	for name, fault := range map[string]vfs.Fault{
		"io error":                    {Err: syscall.EIO},
		"io error, half done":         {Err: syscall.EIO, Short: true},
		"disk full":                   {Err: syscall.ENOSPC, Of: vfs.OpWriteAt, Then: vfs.Persist},
		"disk full, half done":        {Err: syscall.ENOSPC, Of: vfs.OpWriteAt, Then: vfs.Persist, Short: true},
		"read-only":                   {Err: syscall.EROFS, Of: changes, Then: vfs.Persist},
		"sync fails, then pretends":   {Err: syscall.EIO, Of: vfs.OpSync | vfs.OpSyncDir, Then: vfs.Pretend},
		"sync fails once, then works": {Err: syscall.EIO, Of: vfs.OpSync | vfs.OpSyncDir},
	} {
		for _, d := range []Durability{Synced, Flushed, Buffered} {
			t.Run(fmt.Sprintf("%s/%v", name, d), func(t *testing.T) {
				n := 0
				for fired := true; fired; {
					n++
					fault.At = n
					fired = failOnce(t, fault, d, calls)
				}
				require.Greater(t, n, 10, "operations")
				t.Logf("%d places", n-1)
			})
		}
	}
}

// failOnce runs a history with one fault and checks what follows from it. It
// returns false when the history was over before the fault.
func failOnce(t *testing.T, fault vfs.Fault, d Durability, calls int) bool {
	rec := vfs.Record(vfs.NewMem())
	handles := &handleFS{FS: rec}
	in := vfs.Inject(handles, fault)
	h := &history{
		t: t, rnd: rand.New(rand.NewPCG(7, uint64(d))), fs: in, ops: rec.Ops,
		o: Options{Durability: d, Recycle: 1},
	}
	h.run(calls)
	if !in.Fired() {
		require.NoError(t, h.err)
		return false
	}
	failed := h.calls[len(h.calls)-1].Name
	where := fmt.Sprintf("%v at %d, in call %d (%s)", fault.Err, fault.At, len(h.calls), failed)
	if h.err != nil {
		require.ErrorIs(t, h.err, fault.Err, where)
		var path *fs.PathError
		var link *os.LinkError
		require.True(t, errors.As(h.err, &path) || errors.As(h.err, &link), "%s: no path in %v", where, h.err)
	}
	var reported uint64 // as durable
	if h.log != nil {
		reported = h.log.DurableIndex()
		refuses(t, h, fault.Err, where)
		h.log.Close() // of a failed log it returns the failure
	}
	require.Zero(t, handles.open.Load(), "%s: files left open", where)

	legal := crash.Legal(h.calls, 1<<29)
	for c := range rec.Crashes(rec.Ops()) {
		l, got, err := recovered(c.Disk, legal)
		require.NoError(t, err, "%s, then %v", where, c)
		if last := got.first + uint64(len(got.records)) - 1; last < reported && !strings.HasPrefix(failed, "truncate") {
			t.Fatalf("%s, then %v: record %d was reported as durable, %d is the last", where, c, reported, last)
		}
		require.NoError(t, usable(c.Disk, l, got), "%s, then %v", where, c)
	}
	l, got, err := recovered(rec, legal) // the process restarts, the machine does not
	require.NoError(t, err, where)
	require.NoError(t, usable(rec, l, got), where)
	got.records = append(slices.Clone(got.records), "after")
	for c := range rec.Crashes(rec.Ops()) { // and then loses power all the same
		l, _, err := recovered(c.Disk, []state{got})
		require.NoError(t, err, "%s, a restart, then %v", where, c)
		require.NoError(t, l.Close())
	}
	return true
}

// refuses checks a log after one of its calls has failed.
func refuses(t *testing.T, h *history, cause error, where string) {
	l := h.log
	closed := errors.Is(l.Sync(), ErrClosed)
	if h.err == nil || closed {
		return // nothing that matters had failed, or Close had
	}
	ops := h.ops()
	for range 2 {
		_, err := l.Append([]byte("more"))
		require.ErrorIs(t, err, ErrFailed, where)
		require.ErrorIs(t, err, cause, where)
	}
	require.ErrorIs(t, l.Sync(), ErrFailed, where)
	require.ErrorIs(t, l.TruncateFront(l.FirstIndex()+1), ErrFailed, where)
	require.Equal(t, ops, h.ops(), "%s: a failed log writes", where)

	durable := crash.Legal(h.calls, 1<<29)[0]
	first, last := l.FirstIndex(), l.LastIndex()
	for i := max(first, durable.first); i <= last && i < durable.first+uint64(len(durable.records)); i++ {
		data, err := l.Read(i)
		require.NoError(t, err, where)
		require.Equal(t, durable.records[i-durable.first], string(data), where)
	}
}

// handleFS counts open files and locks.
type handleFS struct {
	vfs.FS
	open atomic.Int64
}

func (h *handleFS) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := h.FS.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	h.open.Add(1)
	return &handle{f, h}, nil
}

func (h *handleFS) Lock(name string) (io.Closer, error) {
	l, err := h.FS.Lock(name)
	if err == nil {
		h.open.Add(1)
		l = &lockHandle{l, h}
	}
	return l, err
}

type handle struct {
	vfs.File
	fs *handleFS
}

func (h *handle) Close() error {
	h.fs.open.Add(-1)
	return h.File.Close()
}

type lockHandle struct {
	io.Closer
	fs *handleFS
}

func (h *lockHandle) Close() error {
	h.fs.open.Add(-1)
	return h.Closer.Close()
}
