using TinyLora.AotTests;

(string Name, Action<Report, Arguments> Run)[] groups =
[
    ("kernels", KernelChecks.Run),
    ("model", ModelChecks.Run),
    ("allocation", AllocationChecks.Run),
];

Arguments arguments;
try
{
    arguments = Arguments.Parse(args);
    foreach (var name in arguments.Groups)
        if (!groups.Any(group => group.Name == name))
            throw new ArgumentException($"no group '{name}', there are {string.Join(", ", groups.Select(group => group.Name))}");
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine($"TinyLora.AotTests: {wrong.Message}");
    return 2;
}

var report = new Report(Console.Out);
foreach (var group in groups)
    if (arguments.Groups.Count == 0 || arguments.Groups.Contains(group.Name))
        report.Run(group.Name, "came to its end", () => group.Run(report, arguments));
return report.Close();
