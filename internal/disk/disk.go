package disk

import (
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/plinth-go/plinth/vfs"
)

// Files returns the sizes of the files in a directory and below, by their names.
func Files(t testing.TB, fsys vfs.FS, dir string) map[string]int64 {
	t.Helper()
	entries, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int64{}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name)
		if e.Dir {
			maps.Copy(files, Files(t, fsys, name))
		} else {
			files[name] = e.Size
		}
	}
	return files
}

// Flip changes one bit of the byte at a place, another one from place to place.
func Flip(t testing.TB, fsys vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fsys.Open(name, vfs.ReadWrite, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << (at % 8)
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Damaged is a disk with one byte that is not as it was. Not safe for concurrent use.
type Damaged struct {
	FS   *vfs.Mem
	Name string // of the file
	At   int64  // which byte of it
}

// Flips yields the disk with a byte flipped, of each file in dir and below every
// stride-th, the first one included. Each disk is a copy of its own.
func Flips(t testing.TB, base *vfs.Mem, dir string, stride int64) iter.Seq[Damaged] {
	files := Files(t, base, dir)
	return func(yield func(Damaged) bool) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			for at := int64(0); at < files[name]; at += stride {
				d := Damaged{base.Clone(), name, at}
				Flip(t, d.FS, name, at)
				if !yield(d) {
					return
				}
			}
		}
	}
}
