package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

const version = "20231121T1537"

func main() {
	if os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "Didn't your mom teach you not to run anything incomprehensible from root?")
		os.Exit(1)
	}
	if err := commands().Execute(); err != nil { // cobra has printed it
		os.Exit(1)
	}
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:          "bingo",
		Short:        "Bingo",
		SilenceUsage: true,
		Run:          func(*cobra.Command, []string) { fmt.Println("Hello world") },
	}
	root.AddCommand(
		printing("version", "Print version", func() string { return version + "\n" }),
		printing("print_default_config", "Print default config", func() string { return defaultConfig().String() }),
		printing("print_current_config", "Print current config", func() string { return readConfig().String() }),
		failing("prepare_db", "Prepare database", prepare),
		failing("run_server", "Run server", serve),
	)
	return root
}

func printing(use, short string, text func() string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Run: func(*cobra.Command, []string) { fmt.Print(text()) }}
}

func failing(use, short string, work func() error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, RunE: func(*cobra.Command, []string) error { return work() }}
}
