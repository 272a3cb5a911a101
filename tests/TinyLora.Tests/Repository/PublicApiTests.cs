using System.Reflection;
using System.Text;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Repository;

/// <summary>
/// What the assembly offers is written down in src/TinyLora/PublicAPI.txt: a change to it is seen in the diff. TINYLORA_UPDATE_SNAPSHOTS=1 writes the file anew.
/// </summary>
public sealed class PublicApiTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    [Fact]
    public void The_public_surface_is_the_recorded_one()
    {
        var path = Path.Combine(Shared.Repository, "src", "TinyLora", "PublicAPI.txt");
        var actual = Surface();
        if (Environment.GetEnvironmentVariable("TINYLORA_UPDATE_SNAPSHOTS") == "1") File.WriteAllText(path, actual);
        Assert.Equal(File.ReadAllText(path), actual);
    }

    private static string Surface()
    {
        var text = new StringBuilder();
        foreach (var type in typeof(Model).Assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(Kind(type)).Append(' ').Append(Name(type)).Append('\n');
            // The generated kernels' methods are those of the interface that stands here itself.
            if (type.DeclaringType?.Name == "ParametricKernels") continue;
            foreach (var line in type.GetMembers(Declared).Select(Line).OfType<string>().Distinct().Order(StringComparer.Ordinal)) text.Append("    ").Append(line).Append('\n');
        }
        return text.ToString();
    }

    private static string Kind(Type type) => type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct"
        : typeof(Delegate).IsAssignableFrom(type) ? "delegate" : type is { IsAbstract: true, IsSealed: true } ? "static class" : type.IsAbstract ? "abstract class" : "class";

    private static string? Line(MemberInfo member) => member switch
    {
        MethodInfo { IsSpecialName: false } m when Visible(m) => $"{(m.IsStatic ? "static " : "")}{Name(m.ReturnType)} {m.Name}({Parameters(m)})",
        ConstructorInfo { IsStatic: false } c when Visible(c) => $"new({Parameters(c)})",
        PropertyInfo p when (Part(p.GetMethod) ?? Part(p.SetMethod)) is { } m =>
            $"{(m.IsStatic ? "static " : "")}{Name(p.PropertyType)} {p.Name} {{{(Part(p.GetMethod) is null ? "" : " get;")}{(Part(p.SetMethod) is null ? "" : " set;")} }}",
        EventInfo e when Part(e.AddMethod) is not null => $"event {Name(e.EventHandlerType!)} {e.Name}",
        FieldInfo { IsSpecialName: false } f when f.IsPublic || f.IsFamily => $"{(f.IsStatic ? "static " : "")}{Name(f.FieldType)} {f.Name}{(f.IsLiteral ? $" = {f.GetRawConstantValue()}" : "")}",
        _ => null,
    };

    private static MethodInfo? Part(MethodInfo? method) => method is not null && Visible(method) ? method : null;

    private static bool Visible(MethodBase method) => (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly) && !method.Name.Contains('<');

    private static string Parameters(MethodBase method) =>
        string.Join(", ", method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? " = " + (p.DefaultValue ?? "default") : "")}"));

    private static string Name(Type type)
    {
        if (type.IsByRef) return "ref " + Name(type.GetElementType()!);
        if (type.IsPointer) return Name(type.GetElementType()!) + "*";
        if (type.IsArray) return Name(type.GetElementType()!) + "[]";
        if (type.IsGenericParameter) return type.Name;
        var name = type.FullName is { } full && type.Namespace?.StartsWith("TinyLora", StringComparison.Ordinal) == true ? full.Split('[')[0] : type.Name;
        return type.IsGenericType ? $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }
}
