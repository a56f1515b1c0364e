/** A registry that speaks Confluent's REST interface. */
export interface RegistrySettings {
  /** Where `/subjects` lies: `http://localhost:8081`, or Apicurio's `http://localhost:8080/apis/ccompat/v7`. */
  readonly url: string;
  readonly login: { readonly username: string; readonly password: string } | null;
}
