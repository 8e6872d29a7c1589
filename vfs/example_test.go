package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/plinth-go/plinth/vfs"
)

// save is the textbook way to replace a file: the new bytes are durable before
// the name leads to them, and the name is durable before save returns.
func save(fsys vfs.FS, value string) error {
	f, err := fsys.Open("/value.tmp", vfs.Create, "save")
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(value), 0)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return errors.Join(fsys.Rename("/value.tmp", "/value"), fsys.SyncDir("/"))
}

// saveCarelessly forgets the two syncs.
func saveCarelessly(fsys vfs.FS, value string) error {
	f, err := fsys.Open("/value.tmp", vfs.Create, "save")
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(value), 0)
	return errors.Join(err, f.Close(), fsys.Rename("/value.tmp", "/value"))
}

func load(fsys vfs.FS) string {
	f, err := fsys.Open("/value", vfs.ReadOnly, "load")
	if err != nil {
		return "no file"
	}
	defer f.Close()
	size, _ := f.Size()
	p := make([]byte, size)
	f.ReadAt(p, 0)
	return fmt.Sprintf("%q", p)
}

func Example() {
	for _, save := range []func(vfs.FS, string) error{save, saveCarelessly} {
		disk := vfs.Record(vfs.NewMem())
		fmt.Println("saved:", save(disk, "hello") == nil)
		for crash := range disk.Crashes(disk.Ops()) {
			fmt.Printf("  %-22s %s\n", crash.Event, load(crash.Disk))
		}
	}
	// Output:
	// saved: true
	//   nothing unsynced kept  "hello"
	// saved: true
	//   all kept               "hello"
	//   directory entry alone  ""
	//   rename undone          no file
	//   rename undone          no file
	//   directory entry lost   no file
	//   size without data      "\x00\x00\x00\x00\x00"
}

func ExampleOS() {
	dir, err := os.MkdirTemp("", "vfs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	disk := vfs.OS()
	f, err := disk.Open(filepath.Join(dir, "a"), vfs.Create, "example")
	if err != nil {
		panic(err)
	}
	f.WriteAt([]byte("hello"), 0)
	fmt.Println(f.Sync(), disk.SyncDir(dir), f.Close())
	// Output: <nil> <nil> <nil>
}

func ExampleFS() {
	var disk vfs.FS = vfs.NewMem() // or vfs.OS()
	lock, _ := disk.Lock("/LOCK")
	_, err := disk.Lock("/LOCK")
	fmt.Println(errors.Is(err, vfs.ErrLocked))
	fmt.Println(lock.Close())
	// Output:
	// true
	// <nil>
}

func ExampleFile() {
	f, _ := vfs.NewMem().Open("/a", vfs.Create, "example")
	f.WriteAt([]byte("hello"), 3)
	p := make([]byte, 10)
	n, err := f.ReadAt(p, 0)
	fmt.Printf("%q %v\n", p[:n], err)
	// Output: "\x00\x00\x00hello" EOF
}

func ExampleMode() {
	disk := vfs.NewMem()
	_, err := disk.Open("/a", vfs.ReadWrite, "example")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	disk.Open("/a", vfs.Create, "example")
	_, err = disk.Open("/a", vfs.Create, "example")
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// true
	// true
}

func ExampleEntry() {
	disk := vfs.NewMem()
	disk.MkdirAll("/log/old")
	disk.Open("/log/1", vfs.Create, "example")
	entries, _ := disk.List("/log")
	for _, e := range entries {
		fmt.Println(e.Name, e.Size, e.Dir)
	}
	// Output:
	// 1 0 false
	// old 0 true
}

func ExampleMem() {
	disk := vfs.NewMem()
	save(disk, "before")
	snapshot := disk.Clone()
	save(disk, "after")
	fmt.Println(load(snapshot), load(disk))
	// Output: "before" "after"
}

func ExampleRecorder() {
	disk := vfs.Record(vfs.NewMem())
	save(disk, "one")
	acknowledged := disk.Ops()
	save(disk, "two")
	for point := acknowledged; point <= disk.Ops(); point++ {
		for crash := range disk.Crashes(point) {
			if got := load(crash.Disk); got != `"one"` && got != `"two"` {
				fmt.Println(crash, got)
			}
		}
	}
	fmt.Println("tried all points from", acknowledged, "to", disk.Ops())
	// Output: tried all points from 5 to 10
}

// A second power cut, while the first one is being recovered from.
func ExampleCrash() {
	disk := vfs.Record(vfs.NewMem())
	save(disk, "one")
	for crash := range disk.Crashes(disk.Ops()) {
		again := vfs.Record(crash.Disk)
		save(again, "two")
		for second := range again.Crashes(4) {
			fmt.Println(second)
			fmt.Println(load(second.Disk))
		}
	}
	// Output:
	// power cut after operation 4, 2 unsynced: all kept
	// "two"
	// power cut after operation 4, 2 unsynced: rename undone: rename /value.tmp to value
	// "one"
	// power cut after operation 4, 2 unsynced: directory entry lost: create /value.tmp
	// "one"
}

func ExampleEvent() {
	disk := vfs.Record(vfs.NewMem())
	save(disk, "hello")
	states := map[vfs.Event]int{}
	for point := range disk.Ops() + 1 {
		for crash := range disk.Crashes(point) {
			states[crash.Event]++
		}
	}
	for _, event := range vfs.Events() {
		if states[event] > 0 {
			fmt.Println(states[event], event)
		}
	}
	// Output:
	// 2 nothing unsynced kept
	// 4 all kept
	// 1 size without data
	// 4 directory entry lost
	// 1 directory entry alone
	// 1 rename undone
}

// A sweep: every operation has its turn to fail, and save must say so.
func ExampleInjector() {
	n := 1
	for ; ; n++ {
		disk := vfs.Inject(vfs.NewMem(), vfs.Fault{At: n, Err: syscall.ENOSPC})
		err := save(disk, "hello")
		if !disk.Fired() {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) {
			fmt.Println("operation", n, "failed, and save said", err)
		}
	}
	fmt.Println("save has", n-1, "operations, and reports the failure of each")
	// Output: save has 6 operations, and reports the failure of each
}

func ExampleFault() {
	disk := vfs.Inject(vfs.NewMem(), vfs.Fault{At: 1, Of: vfs.OpWriteAt, Err: syscall.ENOSPC, Short: true})
	f, _ := disk.Open("/a", vfs.Create, "example")
	n, err := f.WriteAt([]byte("hello world!"), 0)
	fmt.Println(n, errors.Is(err, syscall.ENOSPC))
	// Output: 6 true
}

func ExampleOp() {
	fmt.Println(vfs.OpSync | vfs.OpSyncDir)
	// Output: syncdir|sync
}

// A kernel may report a failed fsync once, and then claim success for
// bytes that it has dropped.
func ExampleAftermath() {
	disk := vfs.Record(vfs.NewMem())
	liar := vfs.Inject(disk, vfs.Fault{At: 1, Of: vfs.OpSync, Then: vfs.Pretend})
	f, _ := liar.Open("/value", vfs.Create, "example")
	f.WriteAt([]byte("hello"), 0)
	fmt.Println(f.Sync() == nil, f.Sync() == nil, liar.SyncDir("/") == nil)
	for crash := range disk.Crashes(disk.Ops()) {
		fmt.Println(load(crash.Disk))
	}
	// Output:
	// false true true
	// "hello"
	// ""
	// "\x00\x00\x00\x00\x00"
}

func ExampleCounter() {
	disk := vfs.NewCounter(vfs.NewMem())
	save(disk, "hello")
	counts := disk.Counts()
	n := counts.Files["save"]
	fmt.Println(n.BytesWritten, "bytes,", n.Syncs+counts.DirSyncs, "syncs")
	// Output: 5 bytes, 2 syncs
}

func ExampleCategory() {
	disk := vfs.NewCounter(vfs.NewMem())
	for _, use := range []vfs.Category{"wal", "wal", "flush"} {
		f, _ := disk.Open("/a", vfs.Create, use)
		if f == nil {
			f, _ = disk.Open("/a", vfs.ReadWrite, use)
		}
		f.WriteAt([]byte("hello"), 0)
	}
	fmt.Println(disk.Counts().Files["wal"].BytesWritten, disk.Counts().Files["flush"].BytesWritten)
	// Output: 10 5
}

func ExampleCount() {
	disk := vfs.NewCounter(vfs.NewMem())
	save(disk, "hello")
	fmt.Printf("%+v\n", disk.Counts().Total())
	// Output: {Reads:0 BytesRead:0 Writes:1 BytesWritten:5 Creates:1 Truncates:0 Syncs:1}
}

func ExampleCounts() {
	disk := vfs.NewCounter(vfs.NewMem())
	save(disk, "hello")
	before := disk.Counts()
	save(disk, "world!")
	load(disk)
	since := disk.Counts().Sub(before)
	fmt.Println(since.Files["save"].BytesWritten, since.Files["load"].BytesRead, since.Total().Writes)
	// Output: 6 6 1
}
