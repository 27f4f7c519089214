// Times Porcupine on logs of Jepsen's etcd test: checking alone, from events that are in memory. Arguments: how long to go on with
// each log in milliseconds, then the logs. Prints one line of JSON for each log, in order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

type input struct {
	f           string
	first, then int
}

type output struct {
	unknown bool
	ok      bool
	value   int
}

// What a register holds before the first write.
const empty = -1

var register = porcupine.Model{
	Init: func() interface{} { return empty },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		value, asked, told := state.(int), in.(input), out.(output)
		switch asked.f {
		case "read":
			return told.unknown || told.value == value, value
		case "write":
			return true, asked.first
		default:
			matches := asked.first == value
			next := value
			if matches {
				next = asked.then
			}
			return told.unknown || told.ok == matches, next
		}
	},
}

var line = regexp.MustCompile(`- (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$`)
var number = regexp.MustCompile(`\d+`)

func parse(path string) []porcupine.Event {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var events []porcupine.Event
	open := map[int]int{}
	var order []int
	next := 0
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		parts := line.FindStringSubmatch(scanner.Text())
		if parts == nil {
			continue
		}
		process, _ := strconv.Atoi(parts[1])
		var numbers []int
		for _, text := range number.FindAllString(parts[4], -1) {
			value, _ := strconv.Atoi(text)
			numbers = append(numbers, value)
		}
		if parts[2] == "invoke" {
			asked := input{f: parts[3]}
			if len(numbers) > 0 {
				asked.first = numbers[0]
			}
			if len(numbers) > 1 {
				asked.then = numbers[1]
			}
			events = append(events, porcupine.Event{ClientId: process, Kind: porcupine.CallEvent, Value: asked, Id: next})
			open[process] = next
			order = append(order, process)
			next++
			continue
		}
		id, isOpen := open[process]
		if !isOpen || parts[2] == "info" {
			continue
		}
		delete(open, process)
		told := output{ok: parts[2] == "ok", value: empty}
		if parts[3] == "read" {
			told.unknown = !told.ok
			if told.ok && len(numbers) > 0 {
				told.value = numbers[0]
			}
		}
		events = append(events, porcupine.Event{ClientId: process, Kind: porcupine.ReturnEvent, Value: told, Id: id})
	}
	// Porcupine wants a return of everything: what nobody answered returns after all the rest.
	for _, process := range order {
		if id, isOpen := open[process]; isOpen {
			delete(open, process)
			events = append(events, porcupine.Event{ClientId: process, Kind: porcupine.ReturnEvent, Value: output{unknown: true}, Id: id})
		}
	}
	return events
}

func main() {
	budget, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, path := range os.Args[2:] {
		events := parse(path)
		linearizable := porcupine.CheckEvents(register, events)
		var times []float64
		began := time.Now()
		for len(times) < 3 || time.Since(began) < time.Duration(budget)*time.Millisecond {
			start := time.Now()
			porcupine.CheckEvents(register, events)
			times = append(times, float64(time.Since(start).Nanoseconds())/1e6)
		}
		sort.Float64s(times)
		text, _ := json.Marshal(map[string]interface{}{"ms": times[len(times)/2], "linearizable": linearizable})
		fmt.Println(string(text))
	}
}
