// The library that writes certificates needs this before it is loaded, whoever loads it first.
import 'reflect-metadata';

export * from '@peculiar/x509';
