package vclock_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleTracer() {
	var log bytes.Buffer // each process has its own; ShiViz takes them one after the other
	anna, _ := vclock.NewTracer(&log, "anna")
	ben, _ := vclock.NewTracer(&log, "ben")

	_ = anna.Local("gets up")
	clock, _ := anna.Send("calls ben") // the clock goes with the call
	_ = ben.Receive("hears anna", clock)
	fmt.Print(&log)
	// Output:
	// anna {"anna":1}
	// gets up
	// anna {"anna":2}
	// calls ben
	// ben {"anna":2, "ben":1}
	// hears anna
}

// From logs in any order to a picture: dot -Tsvg draws what WriteDOT writes.
func ExampleDiagram() {
	events, _ := vclock.ParseLog(strings.NewReader(`ben {"anna":2, "ben":1}
hears anna
anna {"anna":1}
gets up
cleo {"cleo":1}
sleeps
anna {"anna":2}
calls ben
`))
	d, _ := vclock.NewDiagram(events)
	fmt.Print(d)
	// Output:
	// o        anna:1  gets up
	// |  o     cleo:1  sleeps
	// o        anna:2  calls ben
	//       o  ben:1  hears anna  <- anna:2
}

func ExampleStep() {
	events, _ := vclock.ParseLog(strings.NewReader("a {\"a\":1}\nasks\nb {\"a\":1, \"b\":1}\nis asked\n"))
	d, _ := vclock.NewDiagram(events)
	for _, s := range d.Steps {
		fmt.Println(s.Dot(), "in column", s.Column, "and row", s.Row)
		for _, cause := range s.Causes {
			fmt.Println("after", d.Steps[cause].Text)
		}
	}
	// Output:
	// a:1 in column 0 and row 0
	// b:1 in column 1 and row 1
	// after asks
}

func ExampleEvent() {
	one, _ := vclock.VectorOf(map[vclock.ID]uint64{"a": 1})
	three, _ := vclock.VectorOf(map[vclock.ID]uint64{"a": 3})
	events := []vclock.Event{{Host: "a", Clock: one, Text: "begins"}, {Host: "a", Clock: three, Text: "ends"}}
	fmt.Println(vclock.CheckLog(events))
	_ = vclock.WriteLog(os.Stdout, events)
	// Output:
	// vclock: corrupt log: a:3: a:2 is not there
	// (?<host>\S*) (?<clock>{.*})\n(?<event>.*)
	//
	// a {"a":1}
	// begins
	// a {"a":3}
	// ends
}
