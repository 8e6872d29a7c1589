package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleRange() {
	users, err := hashring.NewRange("n")
	if err != nil {
		log.Fatal(err)
	}
	for key, name := range map[string]string{"a": "ada", "z": "bob"} {
		if users, err = users.Assign(key, hashring.Node{Name: name, Weight: 1}); err != nil {
			log.Fatal(err)
		}
	}
	for p := range users.Scan("kate", "mike") {
		fmt.Println("kate to mike are all on", p.Node.Name)
	}

	after, err := users.Split("t") // bob has too many
	if err != nil {
		log.Fatal(err)
	}
	if after, err = after.Assign("t", hashring.Node{Name: "cid", Weight: 1}); err != nil {
		log.Fatal(err)
	}
	for p := range after.All() {
		fmt.Printf("from %q: %s\n", p.Lo, p.Node.Name)
	}
	for _, t := range users.Plan(after) {
		fmt.Printf("from %q on: %s -> %s\n", t.Keys.Lo, t.From.Name, t.To.Name)
	}
	// Output:
	// kate to mike are all on ada
	// from "": ada
	// from "n": bob
	// from "t": cid
	// from "t" on: bob -> cid
}

func ExampleSpan() {
	fmt.Println(hashring.Span{Lo: "f", Hi: "n"}.Contains("f"), hashring.Span{Lo: "f", Hi: "n"}.Contains("n"))
	fmt.Println(hashring.Span{Lo: "f"}.Contains("zoe")) // up to the end of all keys
	// Output:
	// true false
	// true
}

func ExamplePartition() {
	users, err := hashring.NewRange("f", "n")
	if err != nil {
		log.Fatal(err)
	}
	if users, err = users.Assign("kate", hashring.Node{Name: "ada", Weight: 1}); err != nil {
		log.Fatal(err)
	}
	p := users.Find("mike")
	fmt.Printf("from %q and before %q: %s\n", p.Lo, p.Hi, p.Node.Name)
	// Output:
	// from "f" and before "n": ada
}
