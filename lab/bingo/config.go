package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"

	yaml "gopkg.in/yaml.v2"
)

const configPath = "/opt/bingo/config.yaml"

type address struct {
	Address string `yaml:"address"`
	Port    int    `yaml:"port"`
}

type cluster struct {
	Hosts          []address `yaml:"hosts"`
	User           string    `yaml:"user"`
	Password       string    `yaml:"password"`
	Name           string    `yaml:"db_name"`
	SSLMode        string    `yaml:"ssl_mode"`
	UseClosestNode bool      `yaml:"use_closest_node"`
}

type config struct {
	Email    string  `yaml:"student_email"`
	Postgres cluster `yaml:"postgres_cluster"`
}

func defaultConfig() config {
	return config{"test@example.com", cluster{
		Hosts: []address{{"localhost", 5432}},
		User:  "postgres", Password: "postgres", Name: "postgres", SSLMode: "disable",
	}}
}

func readConfig() config {
	data, err := os.ReadFile(configPath)
	if err != nil {
		panic("failed to read config data")
	}
	var read config
	if yaml.Unmarshal(data, &read) != nil {
		panic("failed to parse config data")
	}
	return read
}

// String returns the configuration as YAML.
func (c config) String() string {
	text, err := yaml.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (c config) logPath() string {
	hash := sha1.Sum([]byte(c.Email))
	return fmt.Sprintf("/opt/bongo/logs/%.10s/main.log", fmt.Sprintf("%x", hash))
}

const firstPort, lastPort = 2281, 32862 // the lowest and the highest port that were observed

// port is a fixed function of the e-mail. The function is secret: the runbook must find the port.
func (c config) port() int {
	sum := sha256.Sum256([]byte("port of " + c.Email))
	return firstPort + int(binary.BigEndian.Uint32(sum[:4])%(lastPort-firstPort+1))
}
