package vfs_test

import (
	"flag"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// seedFlag replays a failure of TestMemAgainstModel; 0 is a new seed each time.
var seedFlag = flag.Uint64("vfs.seed", 0, "seed of TestMemAgainstModel")

// naive is the model: a name leads to a slice, and a handle is that slice.
type naive struct{ files map[string]*[]byte }

// player holds the same file open on each disk and in the model.
type player struct {
	t     testing.TB
	disks []disk
	model naive
	open  [3]struct {
		files []vfs.File // one for each disk; nil is not open
		model *[]byte
	}
}

// FuzzMem plays a program, three bytes to an operation, on a Mem, on the OS and
// on the model, and compares every answer. The Mem is a Recorder's, whose
// crash states must contain the disk as it is, and after syncs nothing
// else. Planted and seen to fail here: a truncate that leaves old bytes
// in the last page, a rename that drops the replaced file's open handle.
func FuzzMem(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x50\x03\x00\x13\x05\x01\x00\x01\x01\x00\x06\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x02\x00\xff\x00\x11\x00\x02\x01\x20\x05\x01\x00\x02\x00\x30\x04\x00\x00\x06\x01\x00"))
	f.Fuzz(func(t *testing.T, program []byte) { play(t, program) })
}

// TestMemAgainstModel plays random programs, for those who run no fuzzer.
func TestMemAgainstModel(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, i))
		program := make([]byte, 300)
		for j := range program {
			program[j] = byte(rng.Uint32())
		}
		if !t.Run("", func(t *testing.T) { play(t, program) }) {
			t.Fatalf("replay with -vfs.seed=%d", seed)
		}
	}
}

func play(t *testing.T, program []byte) {
	r := vfs.Record(vfs.NewMem())
	p := &player{t: t, model: naive{files: map[string]*[]byte{}}, disks: []disk{
		{FS: r, dir: "/"}, {FS: vfs.OS(), dir: t.TempDir()},
	}}
	for ; len(program) >= 3 && r.Ops() < 200; program = program[3:] {
		p.step(program[0]%8, program[1], program[2])
	}
	for i := range p.open {
		p.close(i)
	}
	now := dump(t, r, "/")
	found := false
	for c := range r.Crashes(r.Ops()) {
		found = found || dump(t, c.Disk, "/") == now
	}
	require.True(t, found, "no crash state is the disk as it is: %s", now)
}

// step's operands: the low half of a is a slot, and the high half a name; b
// is an amount, a second name or nothing.
func (p *player) step(verb, a, b byte) {
	slot := int(a&15) % len(p.open)
	name, to := string('a'+rune(a>>4)%3), string('a'+rune(b)%3)
	switch verb {
	case 0:
		p.openFile(slot, name, vfs.Create)
	case 1:
		p.openFile(slot, name, vfs.ReadWrite)
	case 2:
		p.write(slot, int64(a>>4)*300, strings.Repeat(string('A'+rune(b%26)), int(b)*20))
	case 3:
		p.truncate(slot, int64(b)*40)
	case 4:
		got := p.each(func(d disk) error { return d.Remove(d.path(name)) })
		require.Equal(p.t, p.model.files[name] != nil, got, "remove %s", name)
		delete(p.model.files, name)
	case 5:
		got := p.each(func(d disk) error { return d.Rename(d.path(name), d.path(to)) })
		require.Equal(p.t, p.model.files[name] != nil, got, "rename %s to %s", name, to)
		if file := p.model.files[name]; file != nil {
			delete(p.model.files, name)
			p.model.files[to] = file
		}
	case 6:
		p.close(slot)
	case 7: // on the OS it would cost a real sync
		require.NoError(p.t, p.disks[0].SyncDir("/"))
		if files := p.open[slot].files; files != nil {
			require.NoError(p.t, files[0].Sync())
		}
	}
	p.check(slot)
}

// each does something on every disk, requires that all agree, and returns
// whether it worked.
func (p *player) each(do func(d disk) error) bool {
	first := do(p.disks[0])
	for _, d := range p.disks[1:] {
		err := do(d)
		require.Equal(p.t, first == nil, err == nil, "%v, but %v", first, err)
	}
	return first == nil
}

func (p *player) openFile(slot int, name string, mode vfs.Mode) {
	p.close(slot)
	var files []vfs.File
	worked := p.each(func(d disk) error {
		f, err := d.Open(filepath.Join(d.dir, name), mode, "")
		files = append(files, f)
		return err
	})
	require.Equal(p.t, (mode == vfs.Create) == (p.model.files[name] == nil), worked, "open %s", name)
	if !worked {
		return
	}
	if mode == vfs.Create {
		p.model.files[name] = new([]byte)
	}
	p.open[slot].files, p.open[slot].model = files, p.model.files[name]
}

func (p *player) write(slot int, off int64, text string) {
	for _, f := range p.open[slot].files {
		write(p.t, f, text, off)
	}
	if data := p.open[slot].model; data != nil && text != "" {
		*data = resize(*data, max(len(*data), int(off)+len(text)))
		copy((*data)[off:], text)
	}
}

func (p *player) truncate(slot int, size int64) {
	for _, f := range p.open[slot].files {
		require.NoError(p.t, f.Truncate(size))
	}
	if data := p.open[slot].model; data != nil {
		*data = resize(*data, int(size))
	}
}

func resize(data []byte, size int) []byte {
	fresh := make([]byte, size)
	copy(fresh, data)
	return fresh
}

func (p *player) close(slot int) {
	for _, f := range p.open[slot].files {
		require.NoError(p.t, f.Close())
	}
	p.open[slot].files, p.open[slot].model = nil, nil
}

// check compares what a slot reads, to the end of the file and beyond it, and
// the names with their sizes.
func (p *player) check(slot int) {
	for _, f := range p.open[slot].files {
		want := *p.open[slot].model
		got := make([]byte, len(want)+10)
		n, err := f.ReadAt(got, 0)
		require.Equal(p.t, io.EOF, err)
		require.Equal(p.t, string(want), string(got[:n]))
	}
	for _, d := range p.disks {
		entries, err := d.List(d.dir)
		require.NoError(p.t, err)
		require.Len(p.t, entries, len(p.model.files))
		for _, e := range entries {
			require.Contains(p.t, p.model.files, e.Name)
			require.EqualValues(p.t, len(*p.model.files[e.Name]), e.Size)
		}
	}
}
